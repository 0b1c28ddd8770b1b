//! What is to be known of people to tell them something.

use std::collections::{BTreeSet, HashMap};

use entity::notified::Channel;
use entity::{DeviceId, UserId, phone_number, task, user};
use sea_orm::ConnectionTrait;

use super::address;
use super::message::{self, Standing};
use super::settings::{self, Wishes};
use crate::accounts;
use crate::app::App;
use crate::db::DbError;

/// What is known of some people, as it is at this moment.
#[derive(Debug)]
pub struct People {
    /// Their accounts.
    pub users: HashMap<UserId, user::Model>,
    /// How they want to be told. Who is not here never said anything.
    pub wishes: HashMap<UserId, Wishes>,
    /// Their devices.
    pub devices: HashMap<UserId, Vec<DeviceId>>,
    /// What they are to the tasks that they are told of.
    pub standing: Standing,
    phones: HashMap<UserId, String>,
}

impl People {
    /// Looks them up: some eight statements, however many they are.
    ///
    /// # Errors
    /// The database's failure.
    pub async fn read(
        db: &impl ConnectionTrait,
        people: &BTreeSet<UserId>,
        tasks: &[&task::Model],
    ) -> Result<Self, DbError> {
        let ids: Vec<_> = people.iter().copied().collect();
        let users = accounts::find_many(db, ids.clone()).await?;
        let mut devices: HashMap<_, Vec<_>> = HashMap::new();
        for device in address::devices_of_many(db, ids.clone()).await? {
            devices.entry(device.user_id).or_default().push(device.id);
        }
        let phones = address::phones_of_many(db, ids.clone()).await?;
        let number = |row: phone_number::Model| Some((row.user_id, row.number?));
        Ok(Self {
            users: users.into_iter().map(|user| (user.id, user)).collect(),
            wishes: settings::wishes(db, ids).await?,
            devices,
            standing: Standing::read(db, tasks, people).await?,
            phones: phones.into_iter().filter_map(number).collect(),
        })
    }

    /// The channels that reach somebody.
    pub fn reach(&self, app: &App, user: &user::Model) -> Vec<Channel> {
        let has_mail = message::own_address(app, user).is_ok() && app.settings.sends_mail();
        let has_device = self.devices.contains_key(&user.id) && app.push.sends();
        let has_phone = self.phones.contains_key(&user.id) && app.sms.sends();
        let channels = [
            (Channel::Email, has_mail),
            (Channel::Push, has_device),
            (Channel::Sms, has_phone),
        ];
        let reached = channels.into_iter().filter(|(_, reaches)| *reaches);
        reached.map(|(channel, _)| channel).collect()
    }
}
