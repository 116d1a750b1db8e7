//! `pow` of the C library as a part of the program: what reckons the rate of `--progress` calls it, and `libm.so` would
//! be loaded at every start. It computes nothing that we ask for ourselves.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

/// `base` to the power of `exponent`, like pow(3).
// SAFETY: the C library's has this name, these arguments and this meaning, whoever calls it.
#[unsafe(no_mangle)]
pub extern "C" fn pow(base: f64, exponent: f64) -> f64 {
    libm::pow(base, exponent)
}
