//! `cargo xtask programs`: the programs of the shop, static but quick to build, for a container that runs while one works.

use std::{
    env::consts::ARCH,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result};

use crate::{build, images::IMAGES, local, process::Interrupt, release, say};

/// Where they go.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The folder to put them into
    #[arg(long, value_name = "DIR", default_value = ".local/programs")]
    output: PathBuf,
}

pub(crate) fn run(args: &Args, interrupt: &Interrupt) -> Result<ExitCode> {
    let target = format!("{ARCH}-unknown-linux-musl");
    release::install(&target, interrupt)?;
    let packages: Vec<&str> = IMAGES.iter().map(|image| image.package).collect();
    let built = build::unoptimised(&packages, &target, interrupt)?;
    let folder = local::checkout().join(&args.output);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (name, program) in built {
        if put(&program, &folder.join(&name))? {
            say::doing("Changed", name);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Copies a program if it is another than what is there: whoever watches the folder acts on each that is written.
fn put(program: &Path, to: &Path) -> Result<bool> {
    let bytes = fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    if fs::read(to).is_ok_and(|there| there == bytes) {
        return Ok(false);
    }
    // Beside it first: half a program must not be started.
    let made = to.with_extension("new");
    fs::copy(program, &made).with_context(|| format!("cannot write {}", made.display()))?;
    fs::rename(&made, to)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_program_that_changed_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let (built, put_to) = (folder.path().join("built"), folder.path().join("order"));
        fs::write(&built, "one").unwrap();
        assert!(put(&built, &put_to).unwrap());
        assert!(!put(&built, &put_to).unwrap());
        fs::write(&built, "two").unwrap();
        assert!(put(&built, &put_to).unwrap());
        assert_eq!(fs::read_to_string(put_to).unwrap(), "two");
    }
}
