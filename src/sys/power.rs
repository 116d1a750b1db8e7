//! `pow` of the C library, as a part of the program: what reckons the rate of `--progress` asks for it, and `libm.so`
//! would be loaded at every start. It serves nobody by any other name.

/// `base` to the power of `exponent`, as pow(3).
// SAFETY: the C library's name, with its arguments and its meaning.
#[unsafe(no_mangle)]
pub extern "C" fn pow(base: f64, exponent: f64) -> f64 {
    libm::pow(base, exponent)
}
