//! The test of the test: servers with a planted mistake. The checker has to find each.

use crate::scene::{Row, USUAL};

/// First none, then one mistake each; everything else is calm.
pub const LIES: &[Row] = &[
    Row {
        what: "nothing",
        ..LIE
    },
    Row {
        what: "an event without a place in its stream",
        failpoint: "lose_entry:9",
        ..LIE
    },
    Row {
        what: "a follower that passes over an event",
        failpoint: "lose_place:7",
        ..LIE
    },
    Row {
        what: "a mail that was only said to be sent",
        failpoint: "lose_mail:3",
        ..LIE
    },
];

const LIE: Row = Row {
    name: "lie",
    modes: &[crate::site::Mode::Sqlite],
    is_varied: false,
    seconds: 3,
    ..USUAL
};
