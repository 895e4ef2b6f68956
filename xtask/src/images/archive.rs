//! An image as one file: an OCI image layout with Docker's manifest beside it, so that `docker load`, `ctr images
//! import`, `kind load image-archive`, podman and skopeo read it.

use std::env::{
    self,
    consts::{ARCH, OS},
};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::{
    ALLOCATOR,
    kinds::Image,
    layer::{Files, Layer, USER, sha256},
};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Says which commit is built; what is built and the image tell it.
const COMMIT: &str = "BOOKSTORE_COMMIT";

/// What images have in common.
pub(super) struct Metadata {
    tag: String,
    architecture: &'static str,
    commit: Option<String>,
}

impl Metadata {
    pub(super) fn read(tag: &str) -> Result<Self> {
        let architecture = match ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => bail!("images are made for this machine's own processor, and {other} has no name there"),
        };
        let commit = env::var(COMMIT).ok().filter(|commit| !commit.is_empty());
        Ok(Self { tag: tag.to_owned(), architecture, commit })
    }

    /// By the names that the [image specification] gives out.
    ///
    /// [image specification]: https://github.com/opencontainers/image-spec/blob/main/annotations.md
    fn labels(&self, image: &Image) -> Value {
        let mut labels = json!({
            "org.opencontainers.image.title": image.name,
            "org.opencontainers.image.description": image.description,
            "org.opencontainers.image.licenses": "Apache-2.0",
            "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
        });
        if let Some(commit) = &self.commit {
            labels["org.opencontainers.image.revision"] = json!(commit);
        }
        labels
    }
}

/// An archive in memory.
pub(super) struct Archive {
    bytes: Vec<u8>,
    reference: String,
    size: usize,
}

/// A part of an image, named by what is in it.
struct Blob {
    digest: String,
    bytes: Vec<u8>,
}

impl Archive {
    pub(super) fn of(image: &Image, layers: &[&Layer], metadata: &Metadata) -> Result<Self> {
        let reference = format!("bookstore/{}:{}", image.name, metadata.tag);
        let config = Blob::json(&config(image, layers, metadata))?;
        let packed: Vec<Blob> = layers.iter().map(|layer| Blob::new(layer.packed.clone())).collect();
        let manifest = Blob::json(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.described(CONFIG),
            "layers": packed.iter().map(|layer| layer.described(LAYER)).collect::<Vec<_>>(),
        }))?;
        let mut entry = manifest.described(MANIFEST);
        entry["platform"] = json!({ "architecture": metadata.architecture, "os": OS });
        entry["annotations"] = json!({
            "io.containerd.image.name": format!("docker.io/{reference}"),
            "org.opencontainers.image.ref.name": metadata.tag,
        });
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [entry] });
        let docker = json!([{
            "Config": config.path(),
            "RepoTags": [reference],
            "Layers": packed.iter().map(Blob::path).collect::<Vec<_>>(),
        }]);

        let mut files = Files::default();
        files.file("oci-layout", 0o644, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        files.file("index.json", 0o644, &serde_json::to_vec(&index)?)?;
        files.file("manifest.json", 0o644, &serde_json::to_vec(&docker)?)?;
        let size = packed.iter().map(|layer| layer.bytes.len()).sum();
        for blob in [manifest, config].into_iter().chain(packed) {
            files.file(&blob.path(), 0o644, &blob.bytes)?;
        }
        Ok(Self { bytes: files.into_bytes()?, reference, size })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// `bookstore/order:0.1.0`.
    pub(super) fn reference(&self) -> &str {
        &self.reference
    }

    /// What it takes to pull it: its layers, packed.
    pub(super) const fn size(&self) -> usize {
        self.size
    }
}

/// How the container is run. No date: the same programs are the same image.
fn config(image: &Image, layers: &[&Layer], metadata: &Metadata) -> Value {
    let ports = image.ports.iter().map(|port| (format!("{port}/tcp"), json!({})));
    json!({
        "architecture": metadata.architecture,
        "os": OS,
        "config": {
            "User": USER,
            "Env": [ALLOCATOR.join("=")],
            "Entrypoint": [format!("/{}", image.program)],
            "WorkingDir": "/",
            "ExposedPorts": ports.collect::<serde_json::Map<_, _>>(),
            "Labels": metadata.labels(image),
        },
        "rootfs": {
            "type": "layers",
            "diff_ids": layers.iter().map(|layer| &layer.content).collect::<Vec<_>>(),
        },
    })
}

impl Blob {
    fn new(bytes: Vec<u8>) -> Self {
        Self { digest: sha256(&bytes), bytes }
    }

    fn json(value: &Value) -> Result<Self> {
        Ok(Self::new(serde_json::to_vec(value)?))
    }

    fn path(&self) -> String {
        format!("blobs/{}", self.digest.replace(':', "/"))
    }

    fn described(&self, media_type: &str) -> Value {
        json!({ "mediaType": media_type, "digest": self.digest, "size": self.bytes.len() })
    }
}

/// Reads a tag, by the rule of registries: up to 128 of `[A-Za-z0-9_.-]`, the first no dot or dash.
pub(super) fn tag(text: &str) -> Result<String, &'static str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if text.is_empty() || text.len() > 128 || text.starts_with(['.', '-']) || !text.chars().all(fits) {
        return Err(
            "a tag is up to 128 letters, digits, `_`, `.` and `-`, and begins with none of the last two",
        );
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, io::Read as _};

    use flate2::read::GzDecoder;

    use super::*;

    fn metadata() -> Metadata {
        Metadata { tag: "0.1.0".into(), architecture: "amd64", commit: Some("5a1e".into()) }
    }

    fn archive_of(program: &[u8]) -> Archive {
        let layers = [Layer::base().unwrap(), Layer::program("order", program).unwrap()];
        Archive::of(Image::parse("order").unwrap(), &layers.each_ref(), &metadata()).unwrap()
    }

    fn files(archive: &[u8]) -> HashMap<String, (tar::Header, Vec<u8>)> {
        let mut archive = tar::Archive::new(archive);
        let read = |entry: std::io::Result<tar::Entry<'_, _>>| {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            (entry.path().unwrap().display().to_string(), (entry.header().clone(), content))
        };
        archive.entries().unwrap().map(read).collect()
    }

    /// What a descriptor names, once its digest and size have been found to be right.
    fn blob(files: &HashMap<String, (tar::Header, Vec<u8>)>, descriptor: &Value) -> Vec<u8> {
        let digest = descriptor["digest"].as_str().unwrap();
        let (_, content) = &files[&format!("blobs/{}", digest.replace(':', "/"))];
        assert_eq!(sha256(content), digest);
        assert_eq!(descriptor["size"], content.len());
        content.clone()
    }

    #[test]
    fn an_engine_finds_the_program_by_following_digests_from_the_index() {
        let archive = archive_of(b"a program");
        let files = files(archive.bytes());
        let index: Value = serde_json::from_slice(&files["index.json"].1).unwrap();
        let entry = &index["manifests"][0];
        assert_eq!(entry["annotations"]["io.containerd.image.name"], "docker.io/bookstore/order:0.1.0");
        let manifest: Value = serde_json::from_slice(&blob(&files, entry)).unwrap();
        let config: Value = serde_json::from_slice(&blob(&files, &manifest["config"])).unwrap();
        assert_eq!(config["config"]["User"], "65532:65532");
        assert_eq!(config["config"]["Entrypoint"], json!(["/order"]));
        assert_eq!(config["config"]["Labels"]["org.opencontainers.image.revision"], "5a1e");

        let mut found = HashMap::new();
        for (layer, content) in manifest["layers"]
            .as_array()
            .unwrap()
            .iter()
            .zip(config["rootfs"]["diff_ids"].as_array().unwrap())
        {
            let mut unpacked = Vec::new();
            GzDecoder::new(blob(&files, layer).as_slice()).read_to_end(&mut unpacked).unwrap();
            assert_eq!(sha256(&unpacked), content.as_str().unwrap());
            found.extend(self::files(&unpacked));
        }
        let (header, program) = &found["order"];
        assert_eq!((program.as_slice(), header.mode().unwrap()), (&b"a program"[..], 0o755));
        let authorities = String::from_utf8_lossy(&found["etc/ssl/certs/ca-certificates.crt"].1);
        assert!(authorities.matches("BEGIN CERTIFICATE").count() > 100);
    }

    #[test]
    fn docker_finds_the_same_layers_by_its_own_manifest() {
        let archive = archive_of(b"a program");
        let files = files(archive.bytes());
        let docker: Value = serde_json::from_slice(&files["manifest.json"].1).unwrap();
        assert_eq!(docker[0]["RepoTags"], json!(["bookstore/order:0.1.0"]));
        let named = docker[0]["Layers"].as_array().unwrap().iter().chain([&docker[0]["Config"]]);
        assert!(named.map(|path| path.as_str().unwrap()).all(|path| files.contains_key(path)));
    }

    #[test]
    fn the_same_program_is_the_same_image_and_another_is_another() {
        assert!(archive_of(b"a program").bytes() == archive_of(b"a program").bytes());
        assert!(archive_of(b"a program").bytes() != archive_of(b"another").bytes());
    }

    #[test]
    fn tags_are_those_that_registries_take() {
        for good in ["0.1.0", "dev", "_x", "1-rc.2"] {
            assert_eq!(tag(good).unwrap(), good);
        }
        for bad in ["", ".1", "-1", "a b", "a/b", "a:b", &"a".repeat(129)] {
            tag(bad).unwrap_err();
        }
    }
}
