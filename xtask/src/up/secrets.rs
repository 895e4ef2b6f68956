//! The secrets of a shop on this machine, made once and readable by its owner only.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::STANDARD};

use super::services::Secrets;

/// What stands before an Ed25519 key's 32 random bytes in its PKCS #8 form (RFC 8410, section 7).
const ED25519_PKCS8: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// Makes what is missing.
pub(crate) fn prepare(folder: &Path) -> Result<Secrets> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    let secrets = Secrets { signing_key: folder.join("signing-key.pem") };
    keep(&secrets.signing_key, || {
        let key = [ED25519_PKCS8.as_slice(), &random()?].concat();
        Ok(format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(key)))
    })?;
    Ok(secrets)
}

fn keep(path: &Path, make: impl FnOnce() -> Result<String>) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    write(path, &make()?)
}

/// Writes what only the owner may read.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    // Under another name until it is whole: half a secret would stay for ever.
    let draft = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .with_context(|| format!("cannot write {}", draft.display()))?;
    file.write_all(text.as_bytes())?;
    fs::rename(&draft, path)?;
    Ok(())
}

fn random() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("no randomness")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_made_once_and_are_nobody_elses_business() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = prepare(folder.path()).unwrap();
        assert_eq!(fs::metadata(&secrets.signing_key).unwrap().permissions().mode() & 0o777, 0o600);
        let before = fs::read_to_string(&secrets.signing_key).unwrap();
        prepare(folder.path()).unwrap();
        assert_eq!(fs::read_to_string(&secrets.signing_key).unwrap(), before);
    }
}
