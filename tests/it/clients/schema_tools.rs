//! Tools that read `schema.graphql`: a schema that compiles here is one they understand whole.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Scene, run};

/// A copy of a folder of `tests/clients` with what lies around it, because these tools write files
/// beside their input.
struct Workshop {
    root: TempDir,
    name: &'static str,
}

impl Workshop {
    fn new(name: &'static str) -> Self {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let workshop = Self {
            root: tempfile::tempdir().unwrap(),
            name,
        };
        copy(
            &repository.join("tests/clients").join(name),
            &workshop.folder(),
        );
        for shared in [
            "schema.graphql",
            "tests/clients/node_modules",
            "tests/clients/package.json",
            "tests/clients/scene.mjs",
        ] {
            symlink(repository.join(shared), workshop.root.path().join(shared)).unwrap();
        }
        workshop
    }

    fn folder(&self) -> PathBuf {
        self.root.path().join("tests/clients").join(self.name)
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn the_relay_compiler_makes_queries_that_the_server_answers() {
    let scene = Scene::start().await;
    let workshop = Workshop::new("relay");
    assert_eq!(
        scene.run_in(&workshop.folder(), "compile.mjs").await,
        [
            "compiled",
            "mutation",
            "the query of the next page",
            "the queries of single objects",
            "a page of anything with an id",
            "the id of what is deleted",
        ]
    );
}

#[tokio::test]
async fn graphql_codegen_makes_types_that_pass_a_strict_typescript() {
    let workshop = Workshop::new("codegen");
    assert_eq!(
        run(&workshop.folder(), &["generate.mjs"], &[]).await,
        ["types made", "types checked"]
    );
}

/// What graphql-eslint says of a schema, without the texts of its messages.
async fn lint(schema: &str) -> Vec<String> {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join(schema);
    let args = ["eslint/lint.mjs", schema.to_str().unwrap()];
    let mut said = run(Path::new("tests/clients"), &args, &[]).await;
    assert_eq!(said.pop().unwrap(), "end");
    said
}

#[tokio::test]
async fn graphql_eslint_has_nothing_to_say_of_the_schema() {
    assert_eq!(lint("schema.graphql").await, [""; 0]);
}

/// That its rules are in force, also those with exceptions.
#[tokio::test]
async fn graphql_eslint_finds_what_is_wrong_with_a_schema() {
    let said = lint("tests/clients/eslint/wrong.graphql").await;
    let rules: Vec<_> = said
        .iter()
        .map(|line| {
            line.split_once(": ")
                .unwrap()
                .0
                .replace("@graphql-eslint/", "")
        })
        .collect();
    assert_eq!(
        rules,
        [
            "9 require-description",
            "9 relay-arguments",
            "13 strict-id-in-types",
            "15 naming-convention",
            "21 relay-connection-types",
            "29 relay-edge-types",
        ]
    );
}
