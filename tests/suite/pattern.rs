//! Bytes that cannot be confused, and a comparison that says where two runs of them part; not a
//! source of randomness: the same seed gives the same bytes for ever.

use std::fmt::Write as _;

/// `count` bytes that are different for every `seed` and at every offset.
///
/// ```ignore
/// let ours = pattern(4 << 20, 1); // 4 MiB
/// let theirs = pattern(4 << 20, 2); // other 4 MiB
/// ```
pub(crate) fn pattern(count: usize, seed: u64) -> Vec<u8> {
    let words = (0..).map(|index| mix(seed.wrapping_mul(0x5851_f42d_4c95_7f2d) ^ index));
    let mut bytes: Vec<u8> = words.take(count.div_ceil(8)).flat_map(u64::to_le_bytes).collect();
    bytes.truncate(count);
    bytes
}

/// The finishing step of splitmix64: neighbouring numbers become unlike ones.
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// Panics unless `got` is `wanted`, naming lengths and the first offset at which they differ.
#[track_caller]
pub(crate) fn assert_same(got: &[u8], wanted: &[u8]) {
    if got == wanted {
        return;
    }
    let same = got.iter().zip(wanted).take_while(|(a, b)| a == b).count();
    panic!(
        "{} bytes where {} were expected; they part at offset {same}:\n     got {}\nexpected {}",
        got.len(),
        wanted.len(),
        excerpt(got, same),
        excerpt(wanted, same),
    );
}

/// Up to 24 bytes from `offset` on, readable and short enough for a message.
pub(crate) fn excerpt(bytes: &[u8], offset: usize) -> String {
    let rest = &bytes[offset.min(bytes.len())..];
    let shown = &rest[..rest.len().min(24)];
    let mut text = format!("\"{}\"", shown.escape_ascii());
    match rest.len() - shown.len() {
        0 => {}
        more => write!(text, " and {more} more").expect("a String takes everything"),
    }
    text
}

#[test]
fn a_pattern_is_reproducible_and_never_repeats() {
    assert_eq!(pattern(1000, 7), pattern(1003, 7)[..1000]);
    assert_ne!(pattern(64, 1), pattern(64, 2));
    let bytes = pattern(64 << 10, 3);
    assert_ne!(bytes[..4096], bytes[4096..8192]);
}

#[test]
#[should_panic(expected = "3 bytes where 4 were expected; they part at offset 2")]
fn a_difference_is_named_by_its_offset() {
    assert_same(b"abX", b"abcd");
}
