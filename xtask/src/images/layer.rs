//! The files of an image, in layers that depend on nothing but what is in them.

use std::{fmt::Write as _, io::Write as _};

use anyhow::Result;
use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

/// Who the program runs as, by number: Kubernetes can't tell a name from root.
pub(super) const USER: &str = "65532:65532";
/// Where TLS libraries look for public authorities.
const AUTHORITIES: &str = "etc/ssl/certs/ca-certificates.crt";

/// A layer, packed.
pub(super) struct Layer {
    /// Gzipped, as registries hand it out.
    pub(super) packed: Vec<u8>,
    /// The SHA-256 of what was packed, by which a container engine knows it (`diff_id`).
    pub(super) content: String,
}

impl Layer {
    /// What all images stand on: a user, and the authorities that Mozilla trusts. No shell, no libraries.
    pub(super) fn base() -> Result<Self> {
        let (user, group) = USER.split_once(':').unwrap_or((USER, USER));
        let users = format!("root:x:0:0:root:/:\nbookstore:x:{user}:{group}:bookstore:/:\n");
        let groups = format!("root:x:0:\nbookstore:x:{group}:\n");
        let mut files = Files::default();
        files.folder("etc/")?;
        files.file("etc/group", 0o644, groups.as_bytes())?;
        files.file("etc/passwd", 0o644, users.as_bytes())?;
        files.folder("etc/ssl/")?;
        files.folder("etc/ssl/certs/")?;
        files.file(AUTHORITIES, 0o644, authorities().as_bytes())?;
        files.pack()
    }

    /// A program in the root folder.
    pub(super) fn program(name: &str, bytes: &[u8]) -> Result<Self> {
        let mut files = Files::default();
        files.file(name, 0o755, bytes)?;
        files.pack()
    }
}

/// As `sha256:…`, the way registries name everything.
pub(super) fn sha256(bytes: &[u8]) -> String {
    let mut name = String::from("sha256:");
    for byte in digest(&SHA256, bytes).as_ref() {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

/// From the build's own crates, so that no machine's list gets into an image.
fn authorities() -> String {
    let mut pem = String::new();
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        for line in STANDARD.encode(certificate).as_bytes().chunks(64) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem.push_str("-----END CERTIFICATE-----\n");
    }
    pem
}

/// A tar archive of root's files, of no date.
pub(super) struct Files(Builder<Vec<u8>>);

impl Default for Files {
    fn default() -> Self {
        Self(Builder::new(Vec::new()))
    }
}

impl Files {
    fn folder(&mut self, path: &str) -> Result<()> {
        self.entry(EntryType::Directory, path, 0o755, &[])
    }

    pub(super) fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> Result<()> {
        self.entry(EntryType::Regular, path, mode, content)
    }

    fn entry(&mut self, kind: EntryType, path: &str, mode: u32, content: &[u8]) -> Result<()> {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(u64::try_from(content.len())?);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        Ok(self.0.append_data(&mut header, path, content)?)
    }

    pub(super) fn into_bytes(self) -> Result<Vec<u8>> {
        Ok(self.0.into_inner()?)
    }

    fn pack(self) -> Result<Layer> {
        let content = self.into_bytes()?;
        let mut packed = GzBuilder::new().write(Vec::new(), Compression::best());
        packed.write_all(&content)?;
        Ok(Layer { packed: packed.finish()?, content: sha256(&content) })
    }
}
