//! Chance that a seed repeats.

use std::time::Duration;

/// SplitMix64, as in `taskflow demo`.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The same numbers for the same seed; `of` tells several dice of a seed apart.
    pub fn new(seed: u64, of: u64) -> Self {
        let mut dice = Self(seed ^ of.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        dice.number();
        dice
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below this one, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        let scaled = (u128::from(self.number()) * end as u128) >> 64;
        usize::try_from(scaled).unwrap_or_default()
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, of: usize) -> bool {
        self.below(100) < of
    }

    /// One of these, which are not none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// A span between two, in milliseconds.
    pub fn millis(&mut self, from: usize, to: usize) -> Duration {
        Duration::from_millis((from + self.below(to - from + 1)) as u64)
    }
}
