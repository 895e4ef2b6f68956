//! Compiles the contract: Rust types, clients and servers, and the descriptor set that reflection serves.

use std::{env, fs, io, path::PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let contract = root.join("bookstore");
    println!("cargo:rerun-if-changed={}", contract.display());

    let mut files = Vec::new();
    find_protos(&contract, &mut files)?;
    files.sort();

    let mut compiler = protox::Compiler::new([&root])?;
    compiler.include_imports(true).include_source_info(true).open_files(&files)?;
    // The encoded set keeps custom options, which any trip through prost-types would lose.
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("bookstore.fds"), compiler.encode_file_descriptor_set())?;

    let mut prost = prost_build::Config::new();
    prost.enable_type_names();
    tonic_prost_build::configure()
        // A stand-in of a service answers the calls that its test is about. That a service answers all of its own is
        // what the ownership matrix of the system tests finds out.
        .generate_default_stubs(true)
        .include_file("bookstore.rs")
        .compile_fds_with_config(compiler.file_descriptor_set(), prost)?;
    Ok(())
}

fn find_protos(folder: &PathBuf, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find_protos(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            found.push(path);
        }
    }
    Ok(())
}
