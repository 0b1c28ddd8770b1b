//! `taskflow`: reads the command line and calls the library.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    Box::pin(taskflow::cli::main()).await
}
