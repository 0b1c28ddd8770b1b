//! The schema: what is printed, what is described, and that it keeps its own conventions.

use serde_json::{Value, json};

use crate::support::{Mode, TestApp};

/// Everything about everything, as a client asks for it.
const EVERYTHING: &str = "
    query Everything {
      __schema {
        queryType { name }
        mutationType { name }
        subscriptionType { name }
        types {
          kind name description specifiedByURL
          fields(includeDeprecated: true) {
            name description type { ...T }
            args { name description type { ...T } }
          }
          inputFields { name description type { ...T } }
          enumValues(includeDeprecated: true) { name description }
          interfaces { name }
        }
      }
    }
    fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";

/// A type, field, argument, input field or enum value, and the way to it.
struct Element<'a> {
    path: String,
    value: &'a Value,
}

/// Everything of ours; what begins with two underscores is GraphQL's own.
struct Schema(Value);

impl Schema {
    async fn ask() -> Self {
        // The schema is the same whatever it is served from.
        let app = TestApp::start(Mode::Embedded).await;
        let reply = app.anybody().graphql(EVERYTHING, json!({})).await;
        Self(reply.data()["__schema"].clone())
    }

    fn types(&self) -> impl Iterator<Item = &Value> {
        list(&self.0["types"]).filter(|ty| !text(&ty["name"]).starts_with("__"))
    }

    fn named(&self, name: &str) -> &Value {
        self.types()
            .find(|ty| ty["name"] == name)
            .unwrap_or_else(|| panic!("there is no type {name}"))
    }

    fn root(&self, operation: &str) -> &Value {
        self.named(text(&self.0[operation]["name"]))
    }

    /// The types that are made of fields, by the end of their names.
    fn ending_in(&self, end: &str) -> impl Iterator<Item = &Value> {
        self.types()
            .filter(move |ty| ty["kind"] == "OBJECT" && text(&ty["name"]).ends_with(end))
    }

    fn elements(&self) -> Vec<Element<'_>> {
        let mut elements = Vec::new();
        for ty in self.types() {
            let name = text(&ty["name"]).to_owned();
            for kind in ["fields", "inputFields", "enumValues"] {
                for value in list(&ty[kind]) {
                    let path = format!("{name}.{}", text(&value["name"]));
                    for argument in list(&value["args"]) {
                        elements.push(Element {
                            path: format!("{path}({})", text(&argument["name"])),
                            value: argument,
                        });
                    }
                    elements.push(Element { path, value });
                }
            }
            elements.push(Element {
                path: name,
                value: ty,
            });
        }
        elements
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A type as it is written: `[Task!]!`.
fn written(ty: &Value) -> String {
    match text(&ty["kind"]) {
        "NON_NULL" => format!("{}!", written(&ty["ofType"])),
        "LIST" => format!("[{}]", written(&ty["ofType"])),
        _ => text(&ty["name"]).to_owned(),
    }
}

/// A type without what stands around it.
fn bare(ty: &Value) -> String {
    written(ty).replace(['[', ']', '!'], "")
}

fn field<'a>(ty: &'a Value, name: &str) -> &'a Value {
    list(&ty["fields"])
        .find(|field| field["name"] == name)
        .unwrap_or_else(|| panic!("{} has no field {name}", ty["name"]))
}

/// The paths of everything that breaks a rule.
fn breaking<'a>(elements: impl IntoIterator<Item = Element<'a>>) -> Vec<String> {
    elements.into_iter().map(|element| element.path).collect()
}

#[test]
fn the_printed_schema_is_the_file_in_the_repository() {
    let (printed, kept) = (
        taskflow::schema::sdl(),
        include_str!("../../schema.graphql"),
    );
    let differing = printed
        .lines()
        .zip(kept.lines())
        .position(|(printed, kept)| printed != kept)
        .unwrap_or_else(|| printed.lines().count().min(kept.lines().count()));
    assert!(
        printed == kept,
        "schema.graphql is not what the code says, from line {} on. If the change is meant, run \
         `make schema` and commit the file.",
        differing + 1
    );
}

#[tokio::test]
async fn everything_is_described() {
    let schema = Schema::ask().await;
    let silent = schema.elements().into_iter().filter(|element| {
        let description = text(&element.value["description"]).trim();
        description.is_empty()
    });
    assert_eq!(breaking(silent), [""; 0], "say what these are");
}

#[tokio::test]
async fn no_description_speaks_of_rust() {
    let schema = Schema::ask().await;
    let inside = schema.elements().into_iter().filter(|element| {
        let description = text(&element.value["description"]);
        ["::", "Utc", "Option<", "Vec<", "impl ", "async"]
            .iter()
            .any(|word| description.contains(word))
    });
    assert_eq!(breaking(inside), [""; 0], "clients know no Rust");
}

#[tokio::test]
async fn ids_are_of_the_type_id() {
    let schema = Schema::ask().await;
    let wrong = schema.elements().into_iter().filter(|element| {
        let name = text(&element.value["name"]);
        let is_id = matches!(name, "id" | "ids") || name.ends_with("Id") || name.ends_with("Ids");
        is_id && bare(&element.value["type"]) != "ID"
    });
    assert_eq!(breaking(wrong), [""; 0]);
}

#[tokio::test]
async fn what_has_an_id_of_its_own_is_a_node() {
    let schema = Schema::ask().await;
    for ty in schema.types().filter(|ty| ty["kind"] == "OBJECT") {
        if let Some(id) = list(&ty["fields"]).find(|field| field["name"] == "id") {
            assert_eq!(written(&id["type"]), "ID!", "{}", ty["name"]);
            assert!(
                list(&ty["interfaces"]).any(|interface| interface["name"] == "Node"),
                "{} has an id and is no Node",
                ty["name"]
            );
        }
    }
}

#[tokio::test]
async fn connections_have_edges_nodes_page_info_and_a_count() {
    let schema = Schema::ask().await;
    let mut seen = 0;
    for connection in schema.ending_in("Connection") {
        seen += 1;
        let name = text(&connection["name"]).trim_end_matches("Connection");
        for (part, wanted) in [
            ("edges", format!("[{name}Edge!]!")),
            ("nodes", format!("[{name}!]!")),
            ("pageInfo", "PageInfo!".to_owned()),
            ("totalCount", "Int!".to_owned()),
        ] {
            let found = written(&field(connection, part)["type"]);
            assert_eq!(found, wanted, "{name}Connection.{part}");
        }
        let edge = schema.named(&format!("{name}Edge"));
        assert_eq!(written(&field(edge, "cursor")["type"]), "String!");
        assert_eq!(written(&field(edge, "node")["type"]), format!("{name}!"));
    }
    assert!(seen >= 2, "tasks and users are lists");
}

#[tokio::test]
async fn every_list_of_objects_is_a_connection_with_first_and_after() {
    let schema = Schema::ask().await;
    for list_field in list(&schema.root("queryType")["fields"]) {
        let (name, ty) = (&list_field["name"], written(&list_field["type"]));
        if ty.ends_with("Connection!") {
            for (argument, wanted) in [("first", "Int"), ("after", "String")] {
                let found = list(&list_field["args"]).find(|found| found["name"] == argument);
                let found = found.unwrap_or_else(|| panic!("{name} has no {argument}"));
                assert_eq!(written(&found["type"]), wanted, "{name}({argument})");
            }
        } else {
            // `nodes(ids)` answers as many as it was given.
            let asks_by_ids = list(&list_field["args"]).any(|found| found["name"] == "ids");
            assert!(asks_by_ids || !ty.starts_with('['), "{name}: {ty}");
        }
    }
}

#[tokio::test]
async fn a_mutation_takes_one_input_and_answers_a_payload_of_its_own() {
    // These answer the same: somebody is signed in.
    const SIGNING_IN: [&str; 5] = [
        "changePassword",
        "login",
        "refreshToken",
        "register",
        "registerArtist",
    ];
    // Nothing has to be said to these.
    const WITHOUT_INPUT: [&str; 2] = ["logout", "revokeOtherSessions"];
    // Nothing can be said to these.
    const ALONE: [&str; 2] = ["removePhoneNumber", "resendVerification"];
    let schema = Schema::ask().await;
    let mut payloads = Vec::new();
    for mutation in list(&schema.root("mutationType")["fields"]) {
        let name = text(&mutation["name"]);
        let capital = name[..1].to_uppercase() + &name[1..];
        let arguments: Vec<_> = list(&mutation["args"])
            .map(|argument| {
                format!(
                    "{}: {}",
                    text(&argument["name"]),
                    written(&argument["type"])
                )
            })
            .collect();
        let required = format!("input: {capital}Input!");
        let optional = required.trim_end_matches('!');
        assert!(
            arguments == [required.as_str()]
                || (WITHOUT_INPUT.contains(&name) && arguments == [optional])
                || (ALONE.contains(&name) && arguments.is_empty()),
            "{name}({})",
            arguments.join(", ")
        );
        let payload = if SIGNING_IN.contains(&name) {
            "AuthPayload".to_owned()
        } else {
            format!("{capital}Payload")
        };
        assert_eq!(written(&mutation["type"]), format!("{payload}!"), "{name}");
        let errors = field(schema.named(&payload), "userErrors");
        assert_eq!(written(&errors["type"]), "[UserError!]!", "{payload}");
        payloads.push(payload);
    }
    for payload in schema.ending_in("Payload") {
        let name = text(&payload["name"]);
        assert!(payloads.iter().any(|used| used == name), "{name} is unused");
        for part in list(&payload["fields"]) {
            // A user error leaves the results null, so they must be able to be null.
            let ty = written(&part["type"]);
            let alone = matches!(text(&part["name"]), "userErrors" | "endedSessions");
            assert!(alone || !ty.ends_with('!'), "{name}.{}: {ty}", part["name"]);
        }
    }
}

#[tokio::test]
async fn subscriptions_deliver_events_with_a_cursor() {
    let schema = Schema::ask().await;
    for subscription in list(&schema.root("subscriptionType")["fields"]) {
        let name = &subscription["name"];
        let event = bare(&subscription["type"]);
        assert!(event.ends_with("Event"), "{name}: {event}");
        let cursor = field(schema.named(&event), "cursor");
        assert_eq!(written(&cursor["type"]), "String!", "{event}");
        assert!(list(&subscription["args"]).any(|argument| argument["name"] == "after"));
    }
}

#[tokio::test]
async fn enum_values_are_in_upper_case_and_scalars_say_their_specification() {
    let schema = Schema::ask().await;
    for ty in schema.types() {
        for value in list(&ty["enumValues"]) {
            let name = text(&value["name"]);
            let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
            assert!(name.chars().all(plain), "{}.{name}", ty["name"]);
        }
        let name = text(&ty["name"]);
        let own = !matches!(name, "ID" | "String" | "Int" | "Float" | "Boolean");
        if ty["kind"] == "SCALAR" && own {
            assert!(ty["specifiedByURL"].is_string(), "{name}");
        }
    }
}
