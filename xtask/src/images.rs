//! `cargo xtask images`: the container images of the shop as archives, with no container engine.
//!
//! Each is a static program on nothing but a user and the public certificate authorities. Equal programs give equal
//! images, byte by byte. `deploy/docker/Dockerfile` describes the same images to those who have an engine.

mod archive;
#[cfg(test)]
mod docker;
mod kinds;
mod layer;

use std::{
    fs,
    num::NonZero,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
};

use anyhow::{Context as _, Result, anyhow, ensure};

use crate::{
    build::Programs,
    local::{self, Local},
    process::Interrupt,
    release, say,
};

pub(crate) use self::kinds::{IMAGES, Image};

use self::{
    archive::{Archive, Metadata},
    layer::Layer,
};

/// What the programs' allocator is told, here and by the images: as `crates/server/src/memory.rs` says.
pub(crate) const ALLOCATOR: [&str; 2] = ["MIMALLOC_ARENA_PURGE_MULT", "0"];

/// What an image may take to pull: the sum of its layers, compressed.
const SIZE_LIMIT: usize = 15_000_000;

/// Which images to make.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only these; all if none is named
    #[arg(value_name = "NAME", value_parser = Image::parse)]
    names: Vec<&'static Image>,
    /// The images' tag
    #[arg(long, value_name = "TAG", default_value = env!("CARGO_PKG_VERSION"), value_parser = archive::tag)]
    tag: String,
    /// Where the archives go: NAME.tar each [default: .local/images]
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, interrupt: &Interrupt) -> Result<ExitCode> {
    let images: Vec<&Image> =
        if args.names.is_empty() { IMAGES.iter().collect() } else { args.names.clone() };
    let folder = match &args.output {
        Some(folder) => folder.clone(),
        None => Local::open()?.folder("images")?,
    };
    for made in make(&images, &args.tag, &folder, interrupt)? {
        let kilobytes = made.size / 1_000;
        println!("{kilobytes:>6} kB  {}  {}", made.reference, local::short(&made.path));
    }
    Ok(ExitCode::SUCCESS)
}

/// An archive that lies in the folder now.
pub(crate) struct Made {
    pub(crate) reference: String,
    pub(crate) path: PathBuf,
    /// Bytes to pull.
    size: usize,
}

/// Builds the programs, and writes an archive for each image.
pub(crate) fn make(images: &[&Image], tag: &str, folder: &Path, interrupt: &Interrupt) -> Result<Vec<Made>> {
    let programs = release::programs(interrupt)?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let metadata = Metadata::read(tag)?;
    let base = Layer::base()?;
    say::doing("Packing", format_args!("{} images", images.len()));
    at_once(images, |image| {
        interrupt.check()?;
        write(image, &programs, &base, &metadata, folder).with_context(|| format!("image {}", image.name))
    })
}

fn write(
    image: &Image,
    programs: &Programs,
    base: &Layer,
    metadata: &Metadata,
    folder: &Path,
) -> Result<Made> {
    let built = programs.get(image.program).with_context(|| format!("no program {}", image.program))?;
    let program = Layer::program(image.program, &fs::read(built)?)?;
    let archive = Archive::of(image, &[base, &program], metadata)?;
    ensure!(
        archive.size() <= SIZE_LIMIT,
        "{} bytes to pull, {SIZE_LIMIT} at most: what made it grow?",
        archive.size()
    );
    let path = folder.join(format!("{}.tar", image.name));
    // Under another name until it is whole.
    let draft = path.with_extension("tar.new");
    fs::write(&draft, archive.bytes()).with_context(|| format!("cannot write {}", draft.display()))?;
    fs::rename(&draft, &path)?;
    Ok(Made { reference: archive.reference().to_owned(), path, size: archive.size() })
}

/// Does the same for each, on all cores; answers in order, or with a failure.
fn at_once<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> Result<R> + Sync) -> Result<Vec<R>> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let share = items.len().div_ceil(cores).max(1);
    let of = |share: &[T]| share.iter().map(&work).collect::<Result<Vec<R>>>();
    thread::scope(|scope| {
        let workers: Vec<_> = items.chunks(share).map(|share| scope.spawn(|| of(share))).collect();
        let mut done = Vec::new();
        for worker in workers {
            done.extend(worker.join().map_err(|_| anyhow!("a thread panicked"))??);
        }
        Ok(done)
    })
}
