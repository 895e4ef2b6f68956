//! `verify`: says what is not as it must be in a shop, while it is open or when it is quiet.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command of the terminal talks by printing")]

mod options;
mod terminal;

use std::process::ExitCode;

use options::Options;
use terminal::Terminal;

/// Something could not be looked at.
const COULD_NOT_LOOK: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::read();
    let terminal = Terminal::open();
    let report = verify::look(&options.access, &options.scope, &|what| terminal.show(what)).await;
    terminal.clear();
    let report = match report {
        Ok(report) => report,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::from(COULD_NOT_LOOK);
        }
    };
    if options.json {
        println!("{}", report.to_json());
    } else {
        for violation in report.violations() {
            println!("{violation}");
        }
        eprintln!("{report}");
    }
    ExitCode::from(u8::from(report.count() > 0))
}
