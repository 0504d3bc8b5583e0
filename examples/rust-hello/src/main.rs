// Answers with a greeting. The call's input is standard input, the reply standard output.

use std::io::{self, Read};

fn main() -> io::Result<()> {
    let mut input = String::new();
    io::stdin().read_to_string(&mut input)?;
    let name = input.trim_end_matches('\n');
    eprintln!("greeting {} bytes", name.len()); // Goes to the call's log.
    println!("Hello, {}!", if name.is_empty() { "world" } else { name });
    Ok(())
}
