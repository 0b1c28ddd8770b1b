//! Artists: registering as one, being found, changing the profile.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::Mode::{self, Embedded, Full};
use crate::support::{PASSWORD, Person, Reply, TestApp};

const REGISTER: &str = "mutation($input: RegisterArtistInput!) { registerArtist(input: $input) {
    accessToken user { id roles artist { id stageName bio genres website links { label url }
      createdAt updatedAt user { name } } } userErrors { code message field } } }";
const UPDATE: &str = "mutation($input: UpdateArtistInput!) { updateArtist(input: $input) {
    artist { stageName bio genres website links { label url } } userErrors { code message field } } }";

/// Registers an artist of this user name, with more or other fields.
async fn register(app: &TestApp, name: &str, more: &Value) -> Reply {
    let mut input = json!({"username": name, "email": format!("{name}@example.org"),
        "password": PASSWORD, "name": format!("Name of {name}"), "stageName": name});
    for (key, value) in more.as_object().unwrap() {
        input[key] = value.clone();
    }
    app.anybody()
        .graphql(REGISTER, json!({"input": input}))
        .await
}

async fn artist(app: &TestApp, name: &str, more: &Value) -> (Person, String) {
    let reply = register(app, name, more).await;
    let payload = &reply.data()["registerArtist"];
    let token = payload["accessToken"].as_str().expect("a token");
    let id = payload["user"]["artist"]["id"].as_str().expect("an id");
    (app.anybody().with_token(token), id.to_owned())
}

async fn update(person: &Person, input: Value) -> Reply {
    person.graphql(UPDATE, json!({"input": input})).await
}

#[rstest]
#[tokio::test]
async fn an_artist_registers_with_a_profile(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let more = json!({
        "stageName": " The Countess ", "bio": "Plays\nengines.",
        "genres": [" Ambient", "NOISE", "ambient"], "website": "https://countess.example",
        "links": [{"label": "Bandcamp", "url": "https://countess.bandcamp.example/"}],
    });
    let reply = register(&app, "ada", &more).await;
    let user = &reply.data()["registerArtist"]["user"];
    assert_eq!(user["roles"], json!(["USER", "ARTIST"]));
    let profile = &user["artist"];
    assert_eq!(profile["stageName"], "The Countess");
    assert_eq!(profile["bio"], "Plays\nengines.");
    assert_eq!(profile["genres"], json!(["ambient", "noise"]));
    assert_eq!(profile["website"], "https://countess.example/");
    assert_eq!(profile["links"], more["links"]);
    assert_eq!(profile["user"]["name"], "Name of ada");
    for topic in ["user.created", "artist.created"] {
        let count = format!("SELECT COUNT(*) FROM events WHERE topic = '{topic}'");
        assert_eq!(app.number(&count).await, 1, "{topic}");
    }
    // Somebody else finds them by every way there is.
    let bob = app.person("bob").await;
    let query = "query($id: ID!) { artist(id: $id) { stageName user { email name } }
        node(id: $id) { ... on Artist { stageName } } nodes(ids: [$id]) { id } }";
    let reply = bob.graphql(query, json!({"id": profile["id"]})).await;
    let wanted = json!({
        "artist": {"stageName": "The Countess", "user": {"email": null, "name": "Name of ada"}},
        "node": {"stageName": "The Countess"},
        "nodes": [{"id": profile["id"]}],
    });
    assert_eq!(reply.data(), &wanted);
    let nobody = "artist_01h455vb4pex5vsknk084sn02q";
    let of_bob = bob.id.replace("user_", "artist_");
    for (id, code) in [
        (nobody, "NOT_FOUND"),
        (&of_bob, "NOT_FOUND"),
        (&bob.id, "BAD_USER_INPUT"),
    ] {
        let query = "query($id: ID!) { artist(id: $id) { id } }";
        assert_eq!(
            bob.graphql(query, json!({"id": id})).await.code(),
            code,
            "{id}"
        );
    }
}

#[rstest]
#[tokio::test]
async fn what_is_wrong_with_account_and_profile_is_told_at_once(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let genres: Vec<_> = (0..11).map(|i| format!("genre {i}")).collect();
    let bad = json!({
        "name": " ", "password": "short", "stageName": "", "bio": "x".repeat(2_001),
        "genres": genres, "website": "ftp://example.org",
        "links": [{"label": "", "url": "https://example.org"}, {"label": "ok", "url": "nonsense"}],
    });
    let reply = register(&app, "ada", &bad).await;
    let payload = &reply.data()["registerArtist"];
    let fields: Vec<String> = payload["userErrors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| {
            let parts = error["field"].as_array().unwrap();
            let parts: Vec<_> = parts.iter().filter_map(Value::as_str).collect();
            parts[1..].join(".")
        })
        .collect();
    let wanted = [
        "name",
        "stageName",
        "bio",
        "genres",
        "website",
        "links.0.label",
        "links.1.url",
        "password",
        "password",
    ];
    assert_eq!(fields, wanted);
    assert_eq!(payload["user"], Value::Null);
    for table in ["users", "artist_profiles", "events", "user_roles"] {
        let count = format!("SELECT COUNT(*) FROM {table}");
        assert_eq!(app.number(&count).await, 0, "{table}");
    }
    // A profile that cannot be written leaves no account and no event.
    app.execute("DROP TABLE artist_profiles").await;
    let reply = register(&app, "ada", &json!({})).await;
    assert_eq!(reply.code(), "INTERNAL_SERVER_ERROR");
    for table in ["users", "events", "user_roles", "sessions"] {
        let count = format!("SELECT COUNT(*) FROM {table}");
        assert_eq!(app.number(&count).await, 0, "{table}");
    }
}

#[rstest]
#[tokio::test]
async fn an_artist_changes_only_what_is_given(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let more = json!({"bio": "Plays.", "genres": ["noise"], "website": "https://example.org/"});
    let (ada, _) = artist(&app, "ada", &more).await;
    let reply = update(&ada, json!({"bio": null, "genres": ["Folk"]})).await;
    let wanted = json!({"stageName": "ada", "bio": null, "genres": ["folk"],
        "website": "https://example.org/", "links": []});
    assert_eq!(reply.data()["updateArtist"]["artist"], wanted);
    update(&ada, json!({"genres": ["folk"]})).await.data();
    let events = "SELECT COUNT(*) FROM events WHERE topic = 'artist.updated'";
    assert_eq!(app.number(events).await, 1);
    let links = |n: usize| vec![json!({"label": "x", "url": "https://example.org/"}); n];
    for (bad, field) in [
        (json!({"stageName": "a\u{202e}b"}), "input.stageName"),
        (json!({"bio": "a\u{0}b"}), "input.bio"),
        (json!({"genres": [""]}), "input.genres"),
        (json!({"genres": ["x".repeat(41)]}), "input.genres"),
        (json!({"links": links(11)}), "input.links"),
    ] {
        let told = update(&ada, bad.clone()).await;
        let wanted = ("INVALID".to_owned(), field.to_owned());
        assert_eq!(told.user_error("updateArtist"), wanted, "{bad}");
    }
    let bob = app.person("bob").await;
    let reply = update(&bob, json!({"bio": "Plays, too."})).await;
    assert_eq!(reply.code(), "NOT_FOUND");
}

#[rstest]
#[tokio::test]
async fn artists_are_found_by_stage_name_and_genre(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let (ada, _) = artist(&app, "ada", &json!({"genres": ["rock", "a\"b", "r%ck"]})).await;
    artist(
        &app,
        "Zoe",
        &json!({"genres": ["Rock", "pop"], "stageName": "Zoë 100%"}),
    )
    .await;
    artist(&app, "bob", &json!({"genres": ["rockabilly"]})).await;
    artist(&app, "gone", &json!({"genres": ["rock"]})).await;
    app.execute("UPDATE users SET status = 'disabled' WHERE username = 'gone'")
        .await;
    let query = "query($after: String, $search: String, $genre: String, $first: Int) {
        artists(first: $first, after: $after, search: $search, genre: $genre) {
          nodes { stageName } totalCount pageInfo { hasNextPage endCursor } } }";
    let names = async |variables: Value| {
        let reply = ada.graphql(query, variables).await;
        let page = reply.data()["artists"].clone();
        let nodes = page["nodes"].as_array().unwrap();
        let names: Vec<_> = nodes
            .iter()
            .map(|node| node["stageName"].as_str().unwrap().to_owned())
            .collect();
        (names.join(" "), page)
    };
    for (variables, wanted) in [
        (json!({}), "ada bob Zoë 100%"),
        (json!({"genre": " ROCK "}), "ada Zoë 100%"),
        (json!({"genre": "a\"b"}), "ada"),
        (json!({"genre": "r%ck"}), "ada"),
        (json!({"genre": "roc"}), ""),
        (json!({"genre": "\", \""}), ""),
        (json!({"search": "ZOË"}), "Zoë 100%"),
        (json!({"search": "%"}), "Zoë 100%"),
        (json!({"search": "b", "genre": "rock"}), ""),
    ] {
        let (found, page) = names(variables.clone()).await;
        assert_eq!(found, wanted, "{variables}");
        assert_eq!(page["totalCount"], page["nodes"].as_array().unwrap().len());
    }
    let (mut seen, mut after) = (Vec::new(), Value::Null);
    loop {
        let (found, page) = names(json!({"first": 1, "after": after})).await;
        seen.push(found);
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    assert_eq!(seen, ["ada", "bob", "Zoë 100%"]);
    for after in ["x", "e30"] {
        let reply = ada.graphql(query, json!({"after": after})).await;
        assert_eq!(reply.code(), "BAD_USER_INPUT");
    }
}

#[rstest]
#[tokio::test]
async fn a_profile_is_kept_but_not_shown_while_its_owner_is_no_artist(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let root = app.admin("root").await;
    let (ada, id) = artist(&app, "ada", &json!({"bio": "Plays."})).await;
    let user = id.replace("artist_", "user_");
    let roles = async |roles: Value| {
        let set = "mutation($input: SetUserRolesInput!) { setUserRoles(input: $input) {
            user { roles artist { bio } } userErrors { code } } }";
        let reply = root
            .graphql(set, json!({"input": {"id": user, "roles": roles}}))
            .await;
        reply.data()["setUserRoles"]["user"].clone()
    };
    let find = "query($id: ID!) { artist(id: $id) { bio } artists { totalCount } }";
    assert_eq!(
        roles(json!([])).await,
        json!({"roles": ["USER"], "artist": null})
    );
    let reply = root.graphql(find, json!({"id": id})).await;
    assert_eq!(reply.code(), "NOT_FOUND");
    let list = root.graphql("{ artists { totalCount } }", json!({})).await;
    assert_eq!(list.data()["artists"]["totalCount"], 0);
    // The token that is out says otherwise, and does not help.
    let told = update(&ada, json!({"bio": "Plays on."})).await;
    assert!(["NOT_FOUND", "UNAUTHENTICATED"].contains(&told.code()));
    let back = json!({"roles": ["USER", "ARTIST"], "artist": {"bio": "Plays."}});
    assert_eq!(roles(json!(["ARTIST", "USER"])).await, back);
    let created = "SELECT COUNT(*) FROM events WHERE topic = 'artist.created'";
    assert_eq!(app.number(created).await, 1);
}

#[rstest]
#[tokio::test]
async fn a_page_of_artists_and_their_people_takes_as_many_statements_as_one(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let root = app.admin("root").await;
    let mut costs = Vec::new();
    for count in [1, 20] {
        // One is there already when the twenty are made.
        for number in costs.len()..count {
            let artist = app.person(&format!("artist{number}")).await;
            let query = "mutation($input: SetUserRolesInput!) { setUserRoles(input: $input) { user { id } } }";
            let input = json!({"input": {"id": artist.id, "roles": ["ARTIST"]}});
            root.graphql(query, input).await.data();
        }
        let before = app.app.db.statements();
        let query =
            "{ artists(first: 20) { nodes { stageName user { name roles artist { id } } } } }";
        let reply = root.graphql(query, json!({})).await;
        let nodes = reply.data()["artists"]["nodes"].as_array().unwrap().len();
        assert_eq!(nodes, count);
        costs.push(app.app.db.statements() - before);
    }
    assert_eq!(costs[0], costs[1], "{costs:?}");
    assert!(costs[0] <= 4, "{costs:?}");
}
