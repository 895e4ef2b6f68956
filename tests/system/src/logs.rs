use std::{
    collections::HashMap,
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
    path::PathBuf,
};

use anyhow::{Result, bail};

use crate::{Service, Shop};

impl Shop {
    /// Copies the logs to where they stay: a failed test's are worth more than the space they take.
    pub fn keep_logs(&self) -> PathBuf {
        let kept = self.logs().with_extension("kept");
        // Without the logs the violations are still told.
        let _ = fs::create_dir_all(&kept);
        for log in fs::read_dir(self.logs()).into_iter().flatten().flatten() {
            let _ = fs::copy(log.path(), kept.join(log.file_name()));
        }
        kept
    }

    /// Whether this stands in the log of a service, in any of its lives.
    pub fn is_logged(&self, service: Service, text: &str) -> Result<bool> {
        for log in fs::read_dir(self.logs())? {
            let log = log?;
            if log.file_name().to_string_lossy().starts_with(service.name())
                && fs::read_to_string(log.path())?.contains(text)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What the standard library writes when a thread panics.
const PANIC: &str = "panicked at";

/// Looks through the logs of a shop's services, each time on from where it was.
#[derive(Debug, Default)]
pub(crate) struct Panics {
    read: HashMap<PathBuf, u64>,
}

impl Panics {
    /// That nothing has panicked since the last look.
    pub(crate) fn look(&mut self, shop: &Shop) -> Result<()> {
        for log in fs::read_dir(shop.logs())? {
            let path = log?.path();
            if path.extension().is_none_or(|extension| extension != "log") {
                continue;
            }
            let from = self.read.entry(path.clone()).or_default();
            let mut file = File::open(&path)?;
            file.seek(SeekFrom::Start(*from))?;
            let mut bytes = Vec::new();
            *from += u64::try_from(file.read_to_end(&mut bytes)?)?;
            let text = String::from_utf8_lossy(&bytes);
            if let Some(line) = text.lines().find(|line| line.contains(PANIC)) {
                bail!("{}: {line}", path.display());
            }
        }
        Ok(())
    }
}
