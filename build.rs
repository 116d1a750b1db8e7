//! How the program is linked: a conversation's code lies together, and the unwinder's library goes into the program where
//! that can be. Nothing is generated here.

use std::env::var;
use std::path::Path;
use std::process::Command;

/// The unwinder as a static library; the C compiler knows where it lies.
const UNWINDER: &str = "libgcc_eh.a";

/// Where the code of a conversation lies, for the linkers that rustc calls of its own accord (GNU ld and LLD).
const LAYOUT: &str = "link/conversation.ld";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={LAYOUT}");
    println!("cargo:rerun-if-env-changed=RUSTC_LINKER");
    lay_out();
    link_the_unwinder();
}

/// What cargo says of the target.
fn target(what: &str) -> String {
    var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default()
}

/// A forked conversation needs fewer pages. Another linker may not understand it, and goes without.
fn lay_out() {
    let flags = var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let is_usual = var("RUSTC_LINKER").is_err() && !flags.contains("link");
    if is_usual && target("OS") == "linux" && var("PROFILE").is_ok_and(|profile| profile == "release") {
        let folder = var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo:rustc-link-arg-bins=-Wl,-T,{folder}/{LAYOUT}");
    }
}

/// libgcc_s.so.1 asks the processor for its features before main: on a virtual machine each question costs
/// microseconds, a tenth of the start in all. What is linked before it leaves it nothing to offer.
fn link_the_unwinder() {
    let is_static = target("FEATURE").split(',').any(|feature| feature == "crt-static");
    let is_own = var("HOST").ok() == var("TARGET").ok();
    if target("OS") != "linux" || target("ENV") != "gnu" || is_static || !is_own {
        return;
    }
    let compiler = var("RUSTC_LINKER").unwrap_or_else(|_| "cc".into());
    let Ok(answer) = Command::new(compiler).arg(format!("-print-file-name={UNWINDER}")).output() else { return };
    let answer = String::from_utf8_lossy(&answer.stdout).into_owned();
    let file = Path::new(answer.trim());
    if let Some(folder) = file.parent().filter(|_| file.is_absolute() && file.exists()) {
        println!("cargo:rustc-link-search=native={}", folder.display());
        println!("cargo:rustc-link-lib=static:-bundle=gcc_eh");
    }
}
