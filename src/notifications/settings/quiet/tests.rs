//! Named cases.

mod random;

use chrono::NaiveDateTime;
use chrono_tz::TZ_VARIANTS;

use super::*;

const EVERY_DAY: [&str; 7] = [
    "MONDAY",
    "TUESDAY",
    "WEDNESDAY",
    "THURSDAY",
    "FRIDAY",
    "SATURDAY",
    "SUNDAY",
];

fn rules(rules: &[(&[&str], &str, &str)]) -> QuietRules {
    let rules = rules
        .iter()
        .map(|(days, start, end)| json!({"days": days, "start": start, "end": end}));
    serde_json::from_value(rules.collect()).unwrap()
}

/// A point in time as the clocks of a zone show it, which must do so once.
fn at(zone: Tz, wall: &str) -> DateTime<Utc> {
    let wall = NaiveDateTime::parse_from_str(wall, "%Y-%m-%d %H:%M").unwrap();
    zone.from_local_datetime(&wall).unwrap().to_utc()
}

/// Asks at a time on the wall, and answers with one.
fn asked(rules: &QuietRules, zone: Tz, wall: &str) -> Option<String> {
    let until = quiet_until(rules, zone, at(zone, wall))?;
    let wall = until.with_timezone(&zone).naive_local();
    Some(wall.format("%Y-%m-%d %H:%M").to_string())
}

#[track_caller]
fn check(rules: &QuietRules, zone: Tz, cases: &[(&str, Option<&str>)]) {
    for (wall, until) in cases {
        assert_eq!(asked(rules, zone, wall).as_deref(), *until, "{wall}");
    }
}

// Monday is 16 November 2026.

#[test]
fn a_night_belongs_to_the_day_it_starts() {
    let rules = rules(&[(&["MONDAY"], "22:00", "07:00")]);
    check(
        &rules,
        Tz::Europe__Berlin,
        &[
            ("2026-11-16 06:00", None),
            ("2026-11-16 21:59", None),
            ("2026-11-16 22:00", Some("2026-11-17 07:00")),
            ("2026-11-17 06:59", Some("2026-11-17 07:00")),
            ("2026-11-17 07:00", None),
            ("2026-11-17 22:00", None),
        ],
    );
}

#[test]
fn a_day_ends_on_itself() {
    let rules = rules(&[(&["MONDAY", "SUNDAY"], "09:00", "17:30")]);
    check(
        &rules,
        Tz::Asia__Kolkata,
        &[
            ("2026-11-15 09:00", Some("2026-11-15 17:30")),
            ("2026-11-16 17:29", Some("2026-11-16 17:30")),
            ("2026-11-16 17:30", None),
            ("2026-11-17 12:00", None),
        ],
    );
}

#[test]
fn what_touches_or_overlaps_is_one() {
    let touching = rules(&[
        (&["MONDAY"], "22:00", "24:00"),
        (&["TUESDAY"], "00:00", "07:00"),
        (&["TUESDAY"], "07:01", "08:00"),
    ]);
    check(
        &touching,
        Tz::UTC,
        &[
            ("2026-11-16 22:30", Some("2026-11-17 07:00")),
            ("2026-11-17 00:00", Some("2026-11-17 07:00")),
            ("2026-11-17 07:00", None),
        ],
    );
    let overlapping = rules(&[
        (&["MONDAY"], "08:00", "12:00"),
        (&["MONDAY"], "09:00", "10:00"),
        (&["MONDAY"], "11:00", "13:00"),
        (&["MONDAY"], "11:30", "00:00"),
    ]);
    check(
        &overlapping,
        Tz::UTC,
        &[("2026-11-16 08:00", Some("2026-11-17 00:00"))],
    );
}

#[test]
fn the_same_start_and_end_is_the_whole_day() {
    let midnight = rules(&[(&["SATURDAY", "SUNDAY"], "00:00", "00:00")]);
    let evening = rules(&[(&["SATURDAY"], "18:00", "18:00")]);
    check(
        &midnight,
        Tz::Europe__Berlin,
        &[
            ("2026-11-20 23:59", None),
            ("2026-11-21 00:00", Some("2026-11-23 00:00")),
            // 25 hours long.
            ("2026-10-25 00:00", Some("2026-10-26 00:00")),
        ],
    );
    check(
        &evening,
        Tz::Europe__Berlin,
        &[
            ("2026-11-21 17:59", None),
            ("2026-11-21 18:00", Some("2026-11-22 18:00")),
            ("2026-11-22 18:00", None),
        ],
    );
}

#[test]
fn who_is_never_disturbed_is_asked_about_again_after_a_week() {
    let always = rules(&[(&EVERY_DAY, "05:00", "05:00")]);
    let now = at(Tz::UTC, "2026-11-16 12:34");
    for zone in [Tz::UTC, Tz::Europe__Berlin, Tz::Pacific__Kiritimati] {
        assert_eq!(quiet_until(&always, zone, now), Some(now + AHEAD));
    }
    let but_a_minute = rules(&[
        (&EVERY_DAY[1..], "00:00", "24:00"),
        (&["MONDAY"], "00:01", "24:00"),
    ]);
    check(
        &but_a_minute,
        Tz::UTC,
        &[
            ("2026-11-16 00:00", None),
            ("2026-11-16 00:01", Some("2026-11-23 00:00")),
        ],
    );
}

#[test]
fn without_rules_it_is_never_quiet() {
    let now = at(Tz::UTC, "2026-11-16 12:34");
    assert_eq!(quiet_until(&QuietRules::default(), Tz::UTC, now), None);
}

#[test]
fn a_time_that_is_skipped_is_the_first_after_the_gap() {
    // Berlin skips 02:00 to 03:00 on Sunday, 29 March 2026.
    let ends = rules(&[(&["SATURDAY"], "22:00", "02:30")]);
    let starts = rules(&[(&["SUNDAY"], "02:30", "04:00")]);
    let within = rules(&[(&["SUNDAY"], "02:15", "02:45")]);
    check(
        &ends,
        Tz::Europe__Berlin,
        &[
            ("2026-03-29 01:59", Some("2026-03-29 03:00")),
            ("2026-03-29 03:00", None),
        ],
    );
    check(
        &starts,
        Tz::Europe__Berlin,
        &[
            ("2026-03-29 01:59", None),
            ("2026-03-29 03:00", Some("2026-03-29 04:00")),
        ],
    );
    check(
        &within,
        Tz::Europe__Berlin,
        &[
            ("2026-03-29 01:59", None),
            ("2026-03-29 03:00", None),
            ("2026-03-22 02:15", Some("2026-03-22 02:45")),
        ],
    );
}

#[test]
fn of_a_time_that_comes_twice_the_earlier_counts() {
    // Berlin has 02:00 to 03:00 twice on Sunday, 25 October 2026: from 00:00 and from 01:00 in UTC.
    let (ends, starts) = (
        rules(&[(&["SATURDAY"], "22:00", "02:30")]),
        rules(&[(&["SUNDAY"], "02:30", "04:00")]),
    );
    let zone = Tz::Europe__Berlin;
    let utc = |time: &str| at(Tz::UTC, &format!("2026-10-25 {time}"));
    let until = |rules: &QuietRules, time: &str| quiet_until(rules, zone, utc(time));
    assert_eq!(until(&ends, "00:29"), Some(utc("00:30")));
    // The clocks show 02:29 once more, and it is over all the same.
    assert_eq!(until(&ends, "01:29"), None);
    assert_eq!(until(&starts, "00:29"), None);
    assert_eq!(until(&starts, "00:30"), Some(utc("03:00")));
    assert_eq!(until(&starts, "01:15"), Some(utc("03:00")));
}

#[test]
fn half_an_hour_is_skipped_on_lord_howe() {
    // 02:00 to 02:30 on Sunday, 4 October 2026.
    let rules = rules(&[(&["SUNDAY"], "00:00", "02:15")]);
    check(
        &rules,
        Tz::Australia__Lord_Howe,
        &[
            ("2026-10-04 01:59", Some("2026-10-04 02:30")),
            ("2026-10-04 02:30", None),
        ],
    );
}

#[test]
fn of_a_day_that_was_left_out_remains_what_reaches_into_the_next() {
    // Samoa went from Thursday, 29 December 2011 to Saturday.
    let zone = Tz::Pacific__Apia;
    let (thursday, friday) = (
        rules(&[(&["THURSDAY"], "22:00", "07:00")]),
        rules(&[(&["FRIDAY"], "22:00", "07:00")]),
    );
    check(
        &thursday,
        zone,
        &[
            ("2011-12-29 23:59", Some("2011-12-31 00:00")),
            ("2011-12-31 00:00", None),
        ],
    );
    check(
        &friday,
        zone,
        &[
            ("2011-12-29 23:59", None),
            ("2011-12-31 00:00", Some("2011-12-31 07:00")),
        ],
    );
    let at_noon = rules(&[(&["FRIDAY"], "12:00", "13:00")]);
    check(&at_noon, zone, &[("2011-12-31 00:00", None)]);
    let nights = rules(&[(&EVERY_DAY, "22:00", "07:00")]);
    check(
        &nights,
        zone,
        &[("2011-12-29 22:00", Some("2011-12-31 07:00"))],
    );
}

#[test]
fn where_the_clocks_change_at_midnight() {
    let (evenings, nights) = (
        rules(&[(&EVERY_DAY, "20:00", "00:00")]),
        rules(&[(&EVERY_DAY, "00:00", "06:00")]),
    );
    // Both skip 00:00 to 01:00: Havana on 8, Beirut on 29 March 2026.
    for (zone, before, after) in [
        (Tz::America__Havana, "2026-03-07", "2026-03-08"),
        (Tz::Asia__Beirut, "2026-03-28", "2026-03-29"),
    ] {
        let one = format!("{after} 01:00");
        let eve = format!("{before} 23:59");
        assert_eq!(asked(&evenings, zone, &eve), Some(one.clone()));
        assert_eq!(asked(&evenings, zone, &one), None);
        assert_eq!(asked(&nights, zone, &eve), None);
        assert_eq!(asked(&nights, zone, &one), Some(format!("{after} 06:00")));
    }
    // Beirut goes from midnight back to 23:00 on Saturday, 24 October 2026, at 21:00 in UTC.
    let utc = |time: &str| at(Tz::UTC, &format!("2026-10-24 {time}"));
    let until = quiet_until(&evenings, Tz::Asia__Beirut, utc("20:59"));
    assert_eq!(until, Some(utc("22:00")));
}

#[test]
fn ramadan_in_casablanca() {
    // Back an hour at 03:00 on 15 February, on at 02:00 on 22 March 2026.
    let rules = rules(&[(&["SUNDAY"], "01:00", "02:30")]);
    let zone = Tz::Africa__Casablanca;
    let utc = |wall: &str| at(Tz::UTC, wall);
    let until = |wall: &str| quiet_until(&rules, zone, utc(wall));
    assert_eq!(until("2026-02-15 00:00"), Some(utc("2026-02-15 01:30")));
    assert_eq!(until("2026-02-15 02:15"), None);
    assert_eq!(until("2026-03-22 01:30"), Some(utc("2026-03-22 02:00")));
}

#[test]
fn the_ends_of_the_calendar_do_not_panic() {
    let rules = rules(&[(&EVERY_DAY, "00:00", "00:00")]);
    for now in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
        for zone in TZ_VARIANTS {
            quiet_until(&rules, zone, now);
        }
    }
}

#[test]
fn rules_are_written_as_they_were_read() {
    let text = r#"[{"days":["MONDAY","FRIDAY"],"start":"22:00","end":"07:05"},{"days":["SUNDAY"],"start":"00:00","end":"24:00"}]"#;
    let rules: QuietRules = serde_json::from_str(text).unwrap();
    let written = serde_json::to_value(&rules).unwrap();
    assert_eq!(written, serde_json::from_str::<Value>(text).unwrap());
    let [night, day] = rules.rules() else {
        panic!("two rules")
    };
    assert_eq!(
        (night.start().as_str(), night.end().as_str()),
        ("22:00", "07:05")
    );
    assert_eq!(day.days().collect::<Vec<_>>(), [Weekday::Sun]);
    let none: QuietRules = serde_json::from_str("[]").unwrap();
    assert_eq!(none, QuietRules::default());
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let good = json!({"days": ["MONDAY"], "start": "22:00", "end": "07:00"});
    let with = |name: &str, value: Value| {
        let mut rule = good.clone();
        rule[name] = value;
        json!([good, good, rule])
    };
    let mut without = good.clone();
    without.as_object_mut().unwrap().remove("end");
    let many = Value::from(vec![good.clone(); MAX_QUIET_RULES + 1]);
    for (value, path, wrong) in [
        (json!({}), "rules", Wrong::NotRules),
        (json!(null), "rules", Wrong::NotRules),
        (many, "rules", Wrong::TooMany),
        (json!([good, 1]), "rules.1", Wrong::NotARule),
        (json!([without]), "rules.0", Wrong::NotARule),
        (with("until", json!("x")), "rules.2", Wrong::NotARule),
        (with("days", json!([])), "rules.2.days", Wrong::NotDays),
        (
            with("days", json!("MONDAY")),
            "rules.2.days",
            Wrong::NotDays,
        ),
        (
            with("days", json!(vec!["MONDAY"; 8])),
            "rules.2.days",
            Wrong::NotDays,
        ),
        (
            with("days", json!(["MONDAY", "Monday"])),
            "rules.2.days.1",
            Wrong::NotADay,
        ),
        (with("days", json!([0])), "rules.2.days.0", Wrong::NotADay),
        (
            with("days", json!(["MONDAY", "MONDAY"])),
            "rules.2.days.1",
            Wrong::DayTwice,
        ),
        (with("start", json!(22)), "rules.2.start", Wrong::NotATime),
        (
            with("start", json!("24:00")),
            "rules.2.start",
            Wrong::NotATime,
        ),
        (with("end", json!("24:01")), "rules.2.end", Wrong::NotATime),
        (with("end", json!("07:60")), "rules.2.end", Wrong::NotATime),
    ] {
        let error = QuietRules::try_from(value.clone()).unwrap_err();
        let path = path.to_owned();
        assert_eq!(error, QuietError { path, wrong }, "{value}");
        assert!(serde_json::from_value::<QuietRules>(value).is_err());
    }
    for text in [
        "",
        ":",
        "7:00",
        "07:0",
        "007:00",
        "+7:00",
        "07:00 ",
        "07:00:00",
        "99:99",
        "٠٧:٠٠",
    ] {
        let error = QuietRules::try_from(with("end", json!(text))).unwrap_err();
        assert_eq!(
            error.to_string(),
            "rules.2.end must be a time of day as \"22:00\"",
            "{text}"
        );
    }
    let most = Value::from(vec![good; MAX_QUIET_RULES]);
    assert!(QuietRules::try_from(most).is_ok());
}
