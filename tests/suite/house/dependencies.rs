//! The crates that fincat is made of: under licences that ours allows, from the registry, each in one version. It asks
//! nobody but cargo, and that offline.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

/// Licences that ask for no more than to be named.
const ALLOWED: [&str; 4] = ["MIT", "Apache-2.0", "BSD-3-Clause", "Unicode-3.0"];

/// Whether a licence expression (SPDX) can be met by what is allowed.
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ").replace(['(', ')'], "");
    // AND binds what its left side offers, which is enough for expressions of this depth.
    expression.split(" AND ").all(|all| all.split(" OR ").any(|one| ALLOWED.contains(&one.trim())))
}

fn packages() -> Vec<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let args = ["metadata", "--offline", "--locked", "--format-version", "1", "--filter-platform", &platform];
    let said = Command::new(cargo).args(args).args(["--manifest-path", manifest]).output().expect("cargo");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let metadata: Value = serde_json::from_slice(&said.stdout).expect("JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

#[test]
fn every_crate_may_be_used() {
    for package in packages() {
        let (name, source) = (&package["name"], package["source"].as_str());
        let licence = package["license"].as_str().unwrap_or("no licence");
        assert!(is_allowed(licence), "{name} is under {licence}");
        let is_registered = source.is_none_or(|source| source.starts_with("registry+"));
        assert!(is_registered && (source.is_some() || name == "fincat"), "{name} comes from {source:?}");
    }
}

#[test]
fn every_crate_is_there_once() {
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock")).expect("Cargo.lock");
    let mut versions = BTreeMap::<&str, usize>::new();
    for name in lock.lines().filter_map(|line| line.strip_prefix("name = ")) {
        *versions.entry(name).or_default() += 1;
    }
    let several: Vec<_> = versions.iter().filter(|(_, count)| **count > 1).collect();
    assert!(versions.len() > 10 && several.is_empty(), "in several versions: {several:?}");
}

#[test]
fn licences_are_understood() {
    for licence in ["MIT", "MIT/Apache-2.0", "Unlicense OR MIT", "(MIT OR Apache-2.0) AND Unicode-3.0"] {
        assert!(is_allowed(licence), "{licence}");
    }
    for licence in ["GPL-3.0", "MIT AND GPL-3.0", "no licence", ""] {
        assert!(!is_allowed(licence), "{licence}");
    }
}
