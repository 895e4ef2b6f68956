//! The files for Docker describe the images that are made here.

use std::{collections::HashMap, fs};

use crate::local;

use super::{ALLOCATOR, IMAGES, layer::USER};

fn read(file: &str) -> String {
    fs::read_to_string(local::checkout().join("deploy/docker").join(file)).unwrap()
}

/// A stage of a Dockerfile: what it starts from, and its instructions with their arguments.
#[derive(Default, Debug)]
struct Stage {
    base: String,
    instructions: Vec<(String, String)>,
}

impl Stage {
    fn all(&self, instruction: &str) -> Vec<&str> {
        let those = self.instructions.iter().filter(|(name, _)| name == instruction);
        those.map(|(_, arguments)| arguments.as_str()).collect()
    }

    fn labels(&self) -> HashMap<String, String> {
        let text = self.all("LABEL").join(" ");
        // `name="value" name="value"`: every other piece between quotes is a value.
        let pieces: Vec<&str> = text.split('"').collect();
        let pairs = pieces.chunks_exact(2).map(|pair| (pair[0].trim().trim_end_matches('='), pair[1]));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

fn stages(dockerfile: &str) -> HashMap<String, Stage> {
    let mut stages = HashMap::new();
    let mut name = String::new();
    let lines: Vec<&str> = dockerfile.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    for line in lines.join("\n").replace("\\\n", " ").lines().filter(|line| !line.trim().is_empty()) {
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        let (instruction, arguments) = line.split_once(' ').unwrap();
        if let ("FROM", Some((base, stage))) = (instruction, arguments.split_once(" AS ")) {
            stage.clone_into(&mut name);
            stages.insert(name.clone(), Stage { base: base.to_owned(), ..Stage::default() });
        } else if let Some(stage) = stages.get_mut(&name) {
            stage.instructions.push((instruction.to_owned(), arguments.to_owned()));
        }
    }
    stages
}

#[test]
fn the_dockerfile_makes_the_same_images() {
    let stages = stages(&read("Dockerfile"));
    let shared = &stages["program"];
    assert_eq!(shared.base, "scratch");
    assert_eq!(shared.all("USER"), [USER]);
    assert_eq!(shared.all("ENV"), [ALLOCATOR.join("=")]);
    assert_eq!(shared.all("WORKDIR"), ["/"]);
    assert_eq!(shared.labels()["org.opencontainers.image.licenses"], env!("CARGO_PKG_LICENSE"));
    assert!(shared.all("ARG").contains(&concat!("VERSION=", env!("CARGO_PKG_VERSION"))));

    let build = stages["build"].all("RUN").join(" ");
    for image in &IMAGES {
        let stage = &stages[image.name];
        let program = image.program;
        assert_eq!(stage.base, "program", "{}", image.name);
        assert_eq!(stage.all("COPY"), [format!("--from=build /programs/{program} /{program}")]);
        assert_eq!(stage.all("ENTRYPOINT"), [format!("[\"/{program}\"]")]);
        let ports: Vec<String> = image.ports.iter().map(u16::to_string).collect();
        assert_eq!(stage.all("EXPOSE").join(" "), ports.join(" "), "{}", image.name);
        assert_eq!(stage.labels()["org.opencontainers.image.title"], image.name);
        assert_eq!(stage.labels()["org.opencontainers.image.description"], image.description);
        let mut packages = build.split("--package ").skip(1).filter_map(|rest| rest.split([' ', ';']).next());
        assert!(packages.any(|package| package == image.package), "{} is not built", image.package);
    }
}

#[test]
fn bake_makes_every_image_under_its_name() {
    let bake = read("docker-bake.hcl");
    for image in &IMAGES {
        let name = image.name;
        let block = format!(
            "target \"{name}\" {{\n  inherits = [\"image\"]\n  target   = \"{name}\"\n  tags     = \
             [\"${{REGISTRY}}bookstore/{name}:${{TAG}}\"]\n}}\n"
        );
        assert!(bake.contains(&block), "{name}");
        let groups = bake.lines().filter(|line| line.starts_with("  targets ="));
        assert_eq!(groups.filter(|line| line.contains(&format!("\"{name}\""))).count(), 1, "{name}");
    }
    // And no others: one more is what they inherit.
    assert_eq!(bake.matches("\ntarget \"").count(), IMAGES.len() + 1);
    let version = concat!("default = \"", env!("CARGO_PKG_VERSION"), "\"");
    assert_eq!(bake.matches(version).count(), 2, "the defaults of TAG and VERSION");
}
