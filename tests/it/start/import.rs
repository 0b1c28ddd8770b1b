//! Taking people over from another system.

use std::fmt::Write as _;

use rstest::rstest;
use serde_json::json;

use super::at;
use crate::support::Mode::{self, Embedded, Full};
use crate::support::PASSWORD;
use crate::support::server::{Site, post};

const BCRYPT: &str = "$2b$04$abcdefghijklmnopqrstuu3uNE9timSSOHB5x47dNvLBHxWiMV.lG";
const WERKZEUG: &str =
    "pbkdf2:sha256:1000$aB3dE5fG$096033916402635b304fde6268e3367d97c946524476c6bb38900ead0e906256";

#[rstest]
#[tokio::test]
async fn people_come_with_their_passwords_and_each_line_is_told(
    #[values(Embedded, Full)] mode: Mode,
) {
    let site = Site::new(mode, &[]).await;
    let file = site.folder.path().join("people.csv");
    let path = file.display().to_string();
    std::fs::write(
        &file,
        format!(
            "email,username,name,password_hash,roles,email_verified\n\
             ada@example.org,ada,Ada Lovelace,{BCRYPT},,true\n\
             ,bob,,{WERKZEUG},admin,\n\
             ADA@example.org,other,Other,,,\n\
             nonsense,,Somebody,,,\n\
             eve@example.org,,,md5:0123456789abcdef,,\n\
             zoe@example.org,,Zoe,,king,\n\
             ann@example.org,,Ann,,,maybe\n\
             tom@example.org,,,,service,false\n\
             one@example.org,two\n\
             ,x,\u{1b}]0;owned\u{7},,,\n"
        ),
    )
    .unwrap();
    let look = at(
        &site,
        &[],
        &["admin", "import-users", &path, "--dry-run"],
        "",
    );
    assert!(look.out.contains("would be made"), "{look:?}");

    let done = at(&site, &[], &["admin", "import-users", &path], "");
    assert_eq!(done.status, Some(1), "some were refused: {done:?}");
    let report: Vec<Vec<&str>> = done
        .out
        .lines()
        .map(|line| line.split('\t').take(2).collect())
        .collect();
    let words: Vec<&str> = report
        .iter()
        .filter_map(|line| line.get(1).copied())
        .collect();
    let (made, refused) = ("made", "refused");
    assert_eq!(
        words,
        [
            made, made, refused, refused, refused, refused, refused, made, refused, refused
        ],
        "{done:?}"
    );
    assert_eq!(report[0][0], "2", "the line of the file");
    assert!(done.out.ends_with("3 made, 7 refused\n"), "{}", done.out);
    for told in [
        "address already",
        "not an e-mail address",
        "no kind that can be read",
        "`king`",
        "`true` or `false`",
    ] {
        let told = told.replace("address already", "this e-mail address or user name");
        assert!(done.out.contains(&told), "{told} in {}", done.out);
    }
    assert!(
        !format!("{done:?}").contains("096033916402"),
        "no hash is shown"
    );

    // A second run changes nothing.
    let again = at(&site, &[], &["admin", "import-users", &path], "");
    assert!(again.out.ends_with("0 made, 10 refused\n"), "{}", again.out);

    let (_server, address) = site.serve(&[]).await;
    for name in ["ada@example.org", "bob"] {
        let query =
            "mutation($input: LoginInput!) { login(input: $input) { accessToken user { name } } }";
        let input = json!({"input": {"identifier": name, "password": PASSWORD}});
        let reply = post(address, None, query, input).await;
        assert!(
            reply["data"]["login"]["accessToken"].is_string(),
            "{reply:#}"
        );
    }
}

#[rstest]
#[tokio::test]
async fn a_thousand_people_come_out_of_json(#[values(Embedded, Full)] mode: Mode) {
    let site = Site::new(mode, &[]).await;
    let file = site.folder.path().join("people.json");
    let path = file.display().to_string();
    let mut people = "[".to_owned();
    for number in 0..1_000 {
        let comma = if number == 0 { "" } else { "," };
        write!(
            people,
            "{comma}{{\"username\": \"user{number}\", \"password_hash\": \"{BCRYPT}\"}}"
        )
        .unwrap();
    }
    std::fs::write(
        &file,
        people + ", {\"username\": \"x\", \"nickname\": \"y\"}]",
    )
    .unwrap();
    let done = at(&site, &[], &["admin", "import-users", &path], "");
    assert!(done.out.ends_with("1000 made, 1 refused\n"), "{}", done.out);
    assert!(
        done.out.contains("unknown field `nickname`"),
        "{}",
        done.out
    );
    // What is no such file is told by name, and makes nothing.
    for (name, content) in [
        ("a.json", "{}"),
        ("b.csv", "email,nickname\na@example.org,a"),
        ("c.txt", ""),
    ] {
        let file = site.folder.path().join(name);
        std::fs::write(&file, content).unwrap();
        let path = file.display().to_string();
        let done = at(&site, &[], &["admin", "import-users", &path], "");
        assert_eq!(done.status, Some(1), "{done:?}");
        assert!(!done.err.contains("panicked"), "{done:?}");
    }
}
