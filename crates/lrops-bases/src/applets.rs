//! The names that a busybox program answers to, read from the program itself: it cannot be run for a foreign platform,
//! and each version has others.

/// The table of names starts with these, in every build that has a `test`.
const FIRST_NAMES: &[u8] = b"\0[\0[[\0";

/// Fewer are no table of names but chance.
const APPLETS_MIN: usize = 16;

/// Returns the applets of a busybox program: the NUL-terminated names of its sorted table, up to an empty one.
pub(crate) fn applets(program: &[u8]) -> Vec<&str> {
    let starts = program
        .windows(FIRST_NAMES.len())
        .enumerate()
        .filter(|(_, window)| *window == FIRST_NAMES);
    for (start, _) in starts {
        let names: Vec<&str> = program[start + 1..]
            .split(|byte| *byte == 0)
            .map_while(applet)
            .collect();
        if names.len() >= APPLETS_MIN {
            return names;
        }
    }
    Vec::new()
}

fn applet(name: &[u8]) -> Option<&str> {
    let good = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.+[".contains(byte);
    if name.is_empty() || name.len() > 32 || !name.iter().all(good) {
        return None;
    }
    std::str::from_utf8(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_names_is_found_among_other_bytes() {
        let names = "[ [[ acpid adjtimex ar arch arp arping ascii ash awk base64 basename bc wget yes";
        let mut program = b"\x7fELF\0[\0[[\0\x01".to_vec();
        program.extend_from_slice(format!("\0{}\0\0other\0", names.replace(' ', "\0")).as_bytes());
        assert_eq!(applets(&program), names.split(' ').collect::<Vec<_>>());
        assert!(applets(b"\x7fELF").is_empty());
    }
}
