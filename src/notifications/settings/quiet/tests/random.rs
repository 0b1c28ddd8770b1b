//! Random zones, rules and times, against an oracle that walks minute by minute and knows no more of a
//! zone than what its clocks show.

use chrono::NaiveDateTime;
use chrono_tz::TZ_VARIANTS;
use proptest::prelude::*;

use super::super::*;

/// What the clocks of a place show, minute by minute, around a point in time.
struct Walls {
    begin: DateTime<Utc>,
    walls: Vec<NaiveDateTime>,
}

impl Walls {
    const BEFORE: TimeDelta = TimeDelta::days(6);
    const MINUTES: i64 = 20 * 24 * 60;

    fn around(zone: Tz, now: DateTime<Utc>) -> Self {
        let begin = now - Self::BEFORE;
        let wall = |minutes| {
            let at = begin + TimeDelta::minutes(minutes);
            at.with_timezone(&zone).naive_local()
        };
        Self {
            begin,
            walls: (0..Self::MINUTES).map(wall).collect(),
        }
    }

    /// The first minute at which the clocks show so much or more.
    fn first(&self, wall: NaiveDateTime) -> DateTime<Utc> {
        let place = self.walls.iter().position(|shown| *shown >= wall);
        self.begin + TimeDelta::minutes(i64::try_from(place.unwrap()).unwrap())
    }
}

/// The same as [`quiet_until`] for whole minutes, from what the clocks show alone.
fn walked(rules: &QuietRules, zone: Tz, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let walls = Walls::around(zone, now);
    let mut windows = Vec::new();
    for days in -4..=11 {
        let day = now.date_naive() + TimeDelta::days(days);
        for rule in rules
            .rules()
            .iter()
            .filter(|rule| rule.days().any(|it| it == day.weekday()))
        {
            let wall =
                |minutes: u16| day.and_time(NaiveTime::MIN) + TimeDelta::minutes(minutes.into());
            let next = if rule.end <= rule.start { 24 * 60 } else { 0 };
            windows.push((
                walls.first(wall(rule.start)),
                walls.first(wall(rule.end + next)),
            ));
        }
    }
    let is_quiet = |at: DateTime<Utc>| windows.iter().any(|(start, end)| *start <= at && at < *end);
    let mut end = now;
    while is_quiet(end) && end < now + AHEAD {
        end += TimeDelta::minutes(1);
    }
    (end > now).then_some(end)
}

/// The next change of a zone's clocks after a point in time, if there is one within 400 days.
fn next_change(zone: Tz, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let offset = |at: DateTime<Utc>| at.with_timezone(&zone).naive_local() - at.naive_utc();
    let hours = (0..400 * 24).map(|hours| after + TimeDelta::hours(hours));
    let hour = hours
        .into_iter()
        .find(|hour| offset(*hour) != offset(after))?;
    let minutes = (0..=60).map(|minutes| hour - TimeDelta::minutes(60 - minutes));
    minutes
        .into_iter()
        .find(|minute| offset(*minute) != offset(after))
}

/// Zones with unusual changes more often than the others.
fn zones() -> impl Strategy<Value = Tz> {
    let odd = [
        Tz::Australia__Lord_Howe,
        Tz::Pacific__Apia,
        Tz::Pacific__Kwajalein,
        Tz::Pacific__Kiritimati,
        Tz::Africa__Casablanca,
        Tz::America__Havana,
        Tz::America__St_Johns,
        Tz::Asia__Beirut,
        Tz::Asia__Gaza,
        Tz::Antarctica__Troll,
        Tz::Antarctica__Casey,
    ];
    prop_oneof![
        2 => prop::sample::select(TZ_VARIANTS.to_vec()),
        1 => prop::sample::select(odd.to_vec()),
    ]
}

fn times() -> impl Strategy<Value = u16> {
    prop_oneof![
        0..DAY,
        (0..24_u16).prop_map(|hour| hour * 60),
        (0..8_u16).prop_map(|half| half * 30),
        (23 * 60)..DAY,
    ]
}

fn some_rules() -> impl Strategy<Value = QuietRules> {
    let days = prop_oneof![
        3 => prop::sample::subsequence(NAMES.to_vec(), 1..=7),
        1 => Just(NAMES.to_vec()),
    ];
    let rule = (days, times(), times(), 0..6_u8).prop_map(|(days, start, end, kind)| QuietRule {
        days: days.into_iter().map(|(_, day)| day).collect(),
        start,
        end: match kind {
            0 => start,
            1 => DAY,
            _ => end,
        },
    });
    prop::collection::vec(rule, 1..=5).prop_map(QuietRules)
}

/// Whole minutes from 1990 to 2037.
fn minutes_of_the_years() -> impl Strategy<Value = DateTime<Utc>> {
    let (first, last) = (631_152_000_i64, 2_145_916_800_i64);
    (first / 60..last / 60).prop_map(|minute| DateTime::from_timestamp(minute * 60, 0).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig {
        // Each walks up to a week.
        cases: 80,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn it_is_quiet_as_long_as_one_who_walks_finds_it_quiet(
        zone in zones(),
        rules in some_rules(),
        somewhen in minutes_of_the_years(),
        near in prop::option::weighted(0.7, -2_000..2_000_i64),
        seconds in 0..60_i64,
    ) {
        let change = near.and_then(|minutes| {
            Some(next_change(zone, somewhen)? + TimeDelta::minutes(minutes))
        });
        let minute = change.unwrap_or(somewhen);
        let walked = walked(&rules, zone, minute);
        let found = quiet_until(&rules, zone, minute);
        prop_assert_eq!(found, walked, "{} {:?} {}", zone, rules, minute);
        // Within a minute nothing begins or ends.
        let later = minute + TimeDelta::seconds(seconds);
        let found = quiet_until(&rules, zone, later);
        let most = walked.map(|end| if end == minute + AHEAD { later + AHEAD } else { end });
        prop_assert_eq!(found.is_some(), walked.is_some());
        prop_assert!(found <= most);
    }

    #[test]
    fn the_end_is_no_quiet_time_and_asking_again_gives_the_same(
        zone in zones(),
        rules in some_rules(),
        now in minutes_of_the_years(),
    ) {
        if let Some(end) = quiet_until(&rules, zone, now) {
            prop_assert!(now < end && end <= now + AHEAD);
            if end < now + AHEAD {
                prop_assert_eq!(quiet_until(&rules, zone, end), None);
                let before = end - TimeDelta::microseconds(1);
                prop_assert_eq!(quiet_until(&rules, zone, before), Some(end));
            }
        }
    }

    #[test]
    fn rules_survive_their_json(rules in some_rules()) {
        let json = serde_json::to_string(&rules).unwrap();
        prop_assert_eq!(serde_json::from_str::<QuietRules>(&json).unwrap(), rules);
    }
}
