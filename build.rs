//! How the program is linked: the unwinder's library goes into it where that can be. Nothing is generated here.

use std::env::var;
use std::path::Path;
use std::process::Command;

/// The unwinder as a static library; the C compiler knows where it lies.
const UNWINDER: &str = "libgcc_eh.a";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=RUSTC_LINKER");
    let target = |what: &str| var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    let is_static = target("FEATURE").split(',').any(|feature| feature == "crt-static");
    let is_own = var("HOST").ok() == var("TARGET").ok();
    if target("OS") != "linux" || target("ENV") != "gnu" || is_static || !is_own {
        return;
    }
    // libgcc_s.so.1 asks the processor for its features before main: on a virtual machine each question costs
    // microseconds, a tenth of the start in all. What is linked before it leaves it nothing to offer.
    let compiler = var("RUSTC_LINKER").unwrap_or_else(|_| "cc".into());
    let Ok(answer) = Command::new(compiler).arg(format!("-print-file-name={UNWINDER}")).output() else { return };
    let answer = String::from_utf8_lossy(&answer.stdout).into_owned();
    let file = Path::new(answer.trim());
    if let Some(folder) = file.parent().filter(|_| file.is_absolute() && file.exists()) {
        println!("cargo:rustc-link-search=native={}", folder.display());
        println!("cargo:rustc-link-lib=static:-bundle=gcc_eh");
    }
}
