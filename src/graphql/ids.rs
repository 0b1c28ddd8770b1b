//! Ids at the edge: `TypeIDs` (<https://github.com/jetify-com/typeid>), as
//! `task_01h455vb4pex5vsknk084sn02q`. The prefix says what it is of; the rest is the UUID in
//! Crockford's base 32.

use async_graphql::ID;
use uuid::Uuid;

use super::{ApiError, ErrorCode};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const SUFFIX: usize = 26;

/// What an id is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A user.
    User,
    /// A task.
    Task,
    /// An artist: a user with an artist profile. The UUID is the user's.
    Artist,
    /// A session.
    Session,
    /// A project.
    Project,
    /// A label.
    Label,
    /// A comment.
    Comment,
    /// A change of a field of a task.
    Change,
    /// Work in the background.
    Job,
    /// What one person is told of one event.
    Notification,
    /// Something that takes push messages.
    Device,
    /// What an administrator says to people.
    Announcement,
    /// An address of another system that is told of events.
    Webhook,
    /// One message to a webhook.
    Delivery,
}

impl Kind {
    const ALL: [Self; 14] = [
        Self::User,
        Self::Task,
        Self::Artist,
        Self::Session,
        Self::Project,
        Self::Label,
        Self::Comment,
        Self::Change,
        Self::Job,
        Self::Notification,
        Self::Device,
        Self::Announcement,
        Self::Webhook,
        Self::Delivery,
    ];

    /// The prefix of its ids.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Task => "task",
            Self::Artist => "artist",
            Self::Session => "session",
            Self::Project => "project",
            Self::Label => "label",
            Self::Comment => "comment",
            Self::Change => "change",
            Self::Job => "job",
            Self::Notification => "notification",
            Self::Device => "device",
            Self::Announcement => "announcement",
            Self::Webhook => "webhook",
            Self::Delivery => "delivery",
        }
    }

    /// The id as clients see it.
    pub fn encode(self, uuid: Uuid) -> ID {
        ID(type_id(self.prefix(), uuid))
    }

    /// Reads an id of this kind.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` when it is of another kind or none at all.
    pub fn decode(self, id: &str) -> Result<Uuid, ApiError> {
        let (kind, uuid) = Self::decode_any(id)?;
        if kind == self {
            return Ok(uuid);
        }
        Err(ApiError::new(
            ErrorCode::BadUserInput,
            format!(
                "This is the id of a {}, not of a {}: it should begin with `{}_`.",
                kind.prefix(),
                self.prefix(),
                self.prefix()
            ),
        ))
    }

    /// Reads an id of whatever kind.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` when it is of none.
    pub fn decode_any(id: &str) -> Result<(Self, Uuid), ApiError> {
        Self::parse(id).ok_or_else(|| {
            ApiError::new(
                ErrorCode::BadUserInput,
                "This is not an id. Ids look like `task_01h455vb4pex5vsknk084sn02q`; take them from answers as they are.",
            )
        })
    }

    fn parse(id: &str) -> Option<(Self, Uuid)> {
        let (prefix, suffix) = id.rsplit_once('_')?;
        let kind = Self::ALL.into_iter().find(|kind| kind.prefix() == prefix)?;
        // 26 digits of 5 bits are 130: the first digit may hold 3 bits only.
        if suffix.len() != SUFFIX || suffix.as_bytes()[0] > b'7' {
            return None;
        }
        let mut bits = 0_u128;
        for byte in suffix.bytes() {
            let digit = ALPHABET.iter().position(|letter| *letter == byte)?;
            bits = (bits << 5) | digit as u128;
        }
        Some((kind, Uuid::from_u128(bits)))
    }
}

/// A TypeID of whatever prefix.
pub fn type_id(prefix: &str, uuid: Uuid) -> String {
    let mut bits = uuid.as_u128();
    let mut suffix = [0; SUFFIX];
    for place in suffix.iter_mut().rev() {
        *place = ALPHABET[(bits & 31) as usize];
        bits >>= 5;
    }
    let mut text = String::with_capacity(prefix.len() + 1 + SUFFIX);
    text.push_str(prefix);
    text.push('_');
    text.extend(suffix.map(char::from));
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::Kind;

    #[test]
    fn the_examples_of_the_specification_hold() {
        let uuid: Uuid = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        assert_eq!(
            Kind::Task.encode(uuid).as_str(),
            "task_01h455vb4pex5vsknk084sn02q"
        );
        assert_eq!(
            Kind::Task
                .decode("task_01h455vb4pex5vsknk084sn02q")
                .unwrap(),
            uuid
        );
        for bad in [
            "task_8zzzzzzzzzzzzzzzzzzzzzzzzz",
            "task_01H455VB4PEX5VSKNK084SN02Q",
            "task_01h455vb4pex5vsknk084sn02",
            "task_",
            "_01h455vb4pex5vsknk084sn02q",
            "01h455vb4pex5vsknk084sn02q",
            "task_01h455vb4pex5vsknk084sn02\u{e9}",
            "",
        ] {
            assert!(Kind::Task.decode(bad).is_err(), "{bad}");
        }
        assert!(
            Kind::User
                .decode("task_01h455vb4pex5vsknk084sn02q")
                .is_err()
        );
    }

    proptest! {
        #[test]
        fn every_uuid_survives(bits: u128) {
            let uuid = Uuid::from_u128(bits);
            prop_assert_eq!(Kind::User.decode(&Kind::User.encode(uuid)).unwrap(), uuid);
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _refused = Kind::decode_any(&text).is_err();
        }
    }
}
