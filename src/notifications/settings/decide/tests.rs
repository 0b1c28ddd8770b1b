//! The rules in a table, and what holds of all of them.

use Answer::{No, Yes};
use Channel::{Email, InApp, Push, Sms};
use Reason::{NoConsent, NotAskedFor, Paused, TurnedOff, Unreachable};
use chrono::TimeDelta;
use proptest::prelude::*;

use super::super::kinds::CATEGORIES;
use super::*;

const EVERYWHERE: [Channel; 3] = [Email, Push, Sms];

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_311_901, 0).unwrap()
}

fn of_type(kind: Type, channel: Channel, enabled: bool) -> Preference {
    Preference {
        subject: Subject::Type(kind),
        channel,
        enabled,
    }
}

fn of_category(category: Category, channel: Channel, enabled: bool) -> Preference {
    Preference {
        subject: Subject::Category(category),
        channel,
        enabled,
    }
}

/// The answers for the app, e-mail, push and SMS.
fn answers(notice: Notice<'_>, recipient: Recipient<'_>) -> [Answer; 4] {
    decide(notice, recipient, now()).map(|(_, answer)| answer)
}

fn notice(kind: Type) -> Notice<'static> {
    Notice {
        kind,
        category: kind.category().unwrap_or(Category::System),
        priority: Priority::Normal,
        channels: None,
    }
}

fn somebody(preferences: &[Preference]) -> Recipient<'_> {
    Recipient {
        preferences,
        paused_until: None,
        reachable: &EVERYWHERE,
    }
}

#[test]
fn what_holds_where_nothing_is_set() {
    let off = No(TurnedOff);
    for kind in Type::ALL {
        let wanted = match kind {
            Type::TaskAssigned
            | Type::CommentAdded
            | Type::Mentioned
            | Type::ProjectMemberAdded
            | Type::WebhookDisabled
            | Type::Announcement => [Yes, Yes, Yes, off],
            Type::TaskUnassigned => [Yes, off, Yes, off],
            Type::TaskUpdated | Type::TaskCompleted | Type::TaskDeleted | Type::TaskRestored => {
                [Yes, off, off, off]
            }
            Type::PasswordChanged | Type::EmailChanged | Type::SessionReused => [Yes; 4],
        };
        assert_eq!(answers(notice(kind), somebody(&[])), wanted, "{kind:?}");
        let critical = Notice {
            priority: Priority::Critical,
            ..notice(kind)
        };
        assert_eq!(answers(critical, somebody(&[])), [Yes; 4], "{kind:?}");
    }
}

#[test]
fn the_type_counts_more_than_the_category_and_that_more_than_the_default() {
    let (assigned, updated) = (Type::TaskAssigned, Type::TaskUpdated);
    let workflow = Category::Workflow;
    let off = No(TurnedOff);
    let cases: [(Type, &[Preference], [Answer; 4]); 5] = [
        (
            assigned,
            &[of_category(workflow, Email, false)],
            [Yes, off, Yes, off],
        ),
        (
            assigned,
            &[
                of_category(workflow, Email, false),
                of_type(assigned, Email, true),
            ],
            [Yes, Yes, Yes, off],
        ),
        (
            updated,
            &[
                of_category(workflow, Sms, true),
                of_type(updated, InApp, false),
            ],
            [off, off, off, Yes],
        ),
        (
            updated,
            &[
                of_category(workflow, Push, true),
                of_type(updated, Push, false),
            ],
            [Yes, off, off, off],
        ),
        // What is set for others.
        (
            updated,
            &[
                of_category(Category::System, Push, true),
                of_type(assigned, Email, true),
            ],
            [Yes, off, off, off],
        ),
    ];
    for (kind, preferences, wanted) in cases {
        assert_eq!(
            answers(notice(kind), somebody(preferences)),
            wanted,
            "{kind:?} {preferences:?}"
        );
    }
}

#[test]
fn what_is_urgent_goes_in_the_app_and_on_one_more_channel_at_least() {
    let kind = Type::PasswordChanged;
    let off = |channels: &[Channel]| -> Vec<Preference> {
        let off = channels
            .iter()
            .map(|channel| of_type(kind, *channel, false));
        off.collect()
    };
    let (no, out) = (No(TurnedOff), No(Unreachable));
    let cases: [(&[Channel], &[Channel], [Answer; 4]); 6] = [
        (&[InApp], &EVERYWHERE, [Yes; 4]),
        // Another one is on: what is off stays off.
        (&[Email, Sms], &EVERYWHERE, [Yes, no, Yes, no]),
        (&CHANNELS, &EVERYWHERE, [Yes, Yes, no, no]),
        (&CHANNELS, &[Sms, Push], [Yes, no, Yes, no]),
        (&CHANNELS, &[Sms], [Yes, no, no, Yes]),
        (&[Sms], &[], [Yes, out, out, no]),
    ];
    for (turned_off, reachable, wanted) in cases {
        let preferences = off(turned_off);
        let recipient = Recipient {
            preferences: &preferences,
            paused_until: Some(now() + TimeDelta::hours(1)),
            reachable,
        };
        assert_eq!(
            answers(notice(kind), recipient),
            wanted,
            "{turned_off:?} {reachable:?}"
        );
    }
}

#[test]
fn a_pause_stops_all_but_the_app_until_it_is_over() {
    let kind = Type::TaskAssigned;
    let paused = |seconds| Recipient {
        paused_until: Some(now() + TimeDelta::seconds(seconds)),
        ..somebody(&[])
    };
    let stopped = [Yes, No(Paused), No(Paused), No(TurnedOff)];
    assert_eq!(answers(notice(kind), paused(1)), stopped);
    assert_eq!(
        answers(notice(kind), paused(0)),
        [Yes, Yes, Yes, No(TurnedOff)]
    );
}

#[test]
fn a_sender_leaves_channels_out_and_turns_none_on() {
    let (left, off) = (No(NotAskedFor), No(TurnedOff));
    let asked = |kind, channels: &'static [Channel]| {
        let notice = Notice {
            channels: Some(channels),
            ..notice(kind)
        };
        answers(notice, somebody(&[]))
    };
    assert_eq!(
        asked(Type::TaskAssigned, &[Email, Sms]),
        [left, Yes, left, off]
    );
    assert_eq!(asked(Type::TaskAssigned, &[]), [left; 4]);
    assert_eq!(asked(Type::SessionReused, &[Sms]), [Yes, left, left, Yes]);
    assert_eq!(asked(Type::SessionReused, &[InApp]), [Yes, Yes, left, left]);
}

#[test]
fn marketing_needs_consent_to_the_category_and_no_priority_helps() {
    let (kind, category) = (Type::Announcement, Category::Marketing);
    let (no, off) = (No(NoConsent), No(TurnedOff));
    let cases: [(&[Preference], [Answer; 4]); 4] = [
        (&[], [no; 4]),
        (&[of_type(kind, Email, true)], [no; 4]),
        (
            &[
                of_category(category, Email, true),
                of_category(category, Push, false),
            ],
            [no, Yes, off, no],
        ),
        (
            &[
                of_category(category, Email, true),
                of_type(kind, Email, false),
            ],
            [no, off, no, no],
        ),
    ];
    for (preferences, wanted) in cases {
        for priority in [Priority::Normal, Priority::Critical] {
            let notice = Notice {
                category,
                priority,
                ..notice(kind)
            };
            assert_eq!(
                answers(notice, somebody(preferences)),
                wanted,
                "{preferences:?}"
            );
        }
    }
}

#[test]
fn a_type_keeps_its_category_whatever_the_sender_says() {
    let notice = Notice {
        category: Category::Security,
        ..notice(Type::TaskUpdated)
    };
    let off = No(TurnedOff);
    assert_eq!(answers(notice, somebody(&[])), [Yes, off, off, off]);
}

#[test]
fn quiet_hours_hold_what_disturbs_and_can_wait() {
    for channel in CHANNELS {
        let outside = channel != InApp;
        assert_eq!(holds(Category::Workflow, Priority::High, channel), outside);
        assert_eq!(
            holds(Category::Marketing, Priority::Critical, channel),
            outside
        );
        assert!(!holds(Category::Security, Priority::Low, channel));
        assert!(!holds(Category::System, Priority::Critical, channel));
    }
}

#[test]
fn every_reason_has_its_word() {
    let reasons = [NotAskedFor, TurnedOff, NoConsent, Paused, Unreachable];
    let words = [
        "not_asked_for",
        "turned_off",
        "no_consent",
        "paused",
        "unreachable",
    ];
    assert_eq!(reasons.map(Reason::word), words);
}

fn channels() -> impl Strategy<Value = Vec<Channel>> {
    prop::sample::subsequence(CHANNELS.to_vec(), 0..=4)
}

/// At most one for a subject and a channel, often about what is asked.
fn preferences() -> impl Strategy<Value = Vec<Preference>> {
    let pairs: Vec<_> = Subject::all()
        .flat_map(|subject| CHANNELS.map(|channel| (subject, channel)))
        .collect();
    let most = pairs.len();
    (prop::sample::subsequence(pairs, 0..=most), any::<u128>()).prop_map(|(pairs, bits)| {
        let pairs = pairs.into_iter().enumerate();
        pairs
            .map(|(place, (subject, channel))| Preference {
                subject,
                channel,
                enabled: bits >> place & 1 == 1,
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn the_promises_hold_whatever_is_set(
        kind in prop::sample::select(Type::ALL.to_vec()),
        category in prop::sample::select(CATEGORIES.to_vec()),
        priority in prop::sample::select(vec![Priority::Low, Priority::Normal, Priority::High, Priority::Critical]),
        asked in prop::option::of(channels()),
        preferences in preferences(),
        reachable in channels(),
        pause in prop::option::of(-2..=2_i64),
    ) {
        let notice = Notice { kind, category, priority, channels: asked.as_deref() };
        let paused_until = pause.map(|minutes| now() + TimeDelta::minutes(minutes));
        let recipient = Recipient { preferences: &preferences, paused_until, reachable: &reachable };
        let answers = decide(notice, recipient, now());
        let category = kind.category().unwrap_or(category);
        let is_marketing = category == Category::Marketing;
        let is_urgent = category == Category::Security || priority == Priority::Critical && !is_marketing;
        let set = |subject, channel| preferences.iter().find(|it| it.subject == subject && it.channel == channel).map(|it| it.enabled);
        prop_assert_eq!(answers.map(|(channel, _)| channel), CHANNELS);
        let told: Vec<Channel> = answers.iter().filter(|(_, answer)| *answer == Yes).map(|(channel, _)| *channel).collect();
        if is_urgent {
            prop_assert!(told.contains(&InApp));
            let can_be_told = EVERYWHERE.iter().any(|channel| reachable.contains(channel));
            prop_assert_eq!(told.len() > 1, can_be_told);
        }
        // Nobody is told more than one thing they turned off, and only what is urgent.
        let against: Vec<_> = told.iter().filter(|channel| set(Subject::Type(kind), **channel) == Some(false)).collect();
        prop_assert!(against.is_empty() || is_urgent);
        let outside = against.iter().filter(|channel| ***channel != InApp).count();
        prop_assert!(outside == 0 || told.len() == 2);
        for channel in told {
            prop_assert!(channel == InApp || reachable.contains(&channel));
            if !is_urgent {
                prop_assert!(asked.as_ref().is_none_or(|asked| asked.contains(&channel)));
                prop_assert!(channel == InApp || paused_until.is_none_or(|until| until <= now()));
                let of_category = set(Subject::Category(category), channel);
                let of_type = set(Subject::Type(kind), channel);
                if is_marketing {
                    prop_assert_eq!(of_category, Some(true));
                } else {
                    let default = is_on_by_default(kind, category, priority, channel);
                    prop_assert!(of_type.or(of_category).unwrap_or(default));
                }
            }
        }
        // The order in which a person set things says nothing.
        let turned: Vec<_> = preferences.iter().copied().rev().collect();
        let recipient = Recipient { preferences: &turned, ..recipient };
        prop_assert_eq!(decide(notice, recipient, now()), answers);
    }
}
