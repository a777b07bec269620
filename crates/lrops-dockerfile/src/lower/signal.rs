//! Signals as `STOPSIGNAL` takes them: a number, or a name with or without `SIG`.

/// Linux's signals by name, without `SIG`.
const NAMES: [&str; 35] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE",
    "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU",
    "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN",
];

/// Returns whether the text names a signal.
pub(super) fn is_signal(text: &str) -> bool {
    if let Ok(number) = text.parse::<u32>() {
        return number != 0;
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    NAMES.contains(&name) || is_real_time(name)
}

/// `RTMIN+1` … `RTMIN+15`, `RTMAX-14` … `RTMAX`.
fn is_real_time(name: &str) -> bool {
    let offset = |prefix: &str| {
        name.strip_prefix(prefix)
            .and_then(|number| number.parse::<u8>().ok())
    };
    name == "RTMAX" || offset("RTMIN+").is_some_and(|n| n <= 15) || offset("RTMAX-").is_some_and(|n| n <= 14)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_signals() {
        for good in ["SIGTERM", "term", "9", "SIGRTMIN+3", "RTMAX-2", "15"] {
            assert!(is_signal(good), "{good}");
        }
        for bad in ["", "0", "SIGNOPE", "-1", "RTMIN+99"] {
            assert!(!is_signal(bad), "{bad}");
        }
    }
}
