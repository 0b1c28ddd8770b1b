//! `taskflow`: reads the command line and calls the library.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Takes less time than the C library's, and gives back what a storm of logins took.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The stack of each thread, in bytes. A level of fields is answered by calls inside those of the level
/// above, of up to 300 KB together in a debug build; `graphql.max_depth` bounds the levels. Memory
/// that is not used is not taken.
const STACK: usize = 16 << 20;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK)
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(Box::pin(taskflow::cli::main())),
        Err(error) => {
            eprintln!("taskflow: cannot start its threads: {error}");
            ExitCode::FAILURE
        }
    }
}
