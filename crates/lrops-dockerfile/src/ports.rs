//! The words of `EXPOSE`: `[address:][host port:]port[-port][/protocol]`.
//!
//! Only the container's ports and the protocol mean anything in an image. Addresses and host ports are accepted
//! because `docker run --publish` writes them so and old Dockerfiles copied it; they are checked and dropped.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;

/// One word of `EXPOSE`, after its variables were replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExposeWord {
    /// The container's ports.
    pub ports: RangeInclusive<u16>,
    /// The protocol; TCP if none was written.
    pub protocol: PortProtocol,
    /// Whether the protocol was written in capitals, which a check rule finds fault with.
    pub has_capitals: bool,
    /// Whether an address or a host port was written, which a check rule finds fault with.
    pub has_host_part: bool,
}

/// A port as the image's config names it: `80/tcp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExposedPort {
    /// The port's number.
    pub number: u16,
    /// The protocol.
    pub protocol: PortProtocol,
}

/// A protocol that has ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortProtocol {
    /// TCP
    Tcp,
    /// UDP
    Udp,
    /// SCTP
    Sctp,
}

/// A word of `EXPOSE` that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid port: {word:?}")]
pub struct PortError {
    /// The word.
    pub word: String,
    /// What is wrong with it.
    #[source]
    pub problem: PortProblem,
}

/// What can be wrong with a word of `EXPOSE`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortProblem {
    /// The container's port is missing.
    #[error("no port specified")]
    Missing,
    /// The protocol is none that is known.
    #[error("invalid proto: {0}")]
    Protocol(String),
    /// The container's port or range is none.
    #[error("invalid containerPort: {0}")]
    ContainerPort(String),
    /// The host's port or range is none.
    #[error("invalid hostPort: {0}")]
    HostPort(String),
    /// What stands before the ports is no address.
    #[error("invalid IP address: {0}")]
    Address(String),
    /// Both ranges have several ports, but not equally many.
    #[error("invalid ranges specified for container and host Ports: {container} and {host}")]
    RangesDiffer {
        /// The container's range.
        container: String,
        /// The host's range.
        host: String,
    },
}

impl ExposeWord {
    /// Reads a word.
    ///
    /// # Errors
    /// If a port, the protocol, or the address cannot be read.
    pub fn parse(word: &str) -> Result<Self, PortError> {
        read(word).map_err(|problem| PortError {
            word: word.to_owned(),
            problem,
        })
    }

    /// Returns the exposed ports in ascending order.
    pub fn exposed(&self) -> impl Iterator<Item = ExposedPort> + use<> {
        let protocol = self.protocol;
        self.ports
            .clone()
            .map(move |number| ExposedPort { number, protocol })
    }
}

impl fmt::Display for ExposedPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.protocol)
    }
}

impl fmt::Display for PortProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PortProtocol::Tcp => "tcp",
            PortProtocol::Udp => "udp",
            PortProtocol::Sctp => "sctp",
        })
    }
}

fn read(word: &str) -> Result<ExposeWord, PortProblem> {
    let (address, host, container) = split(word);
    let (container, protocol) = container.split_once('/').unwrap_or((container, ""));
    if container.is_empty() {
        return Err(PortProblem::Missing);
    }
    let parsed_protocol = parse_protocol(protocol)?;
    check_address(address)?;
    let ports = parse_range(container).ok_or_else(|| PortProblem::ContainerPort(container.to_owned()))?;
    if !host.is_empty() {
        let host_ports = parse_range(host).ok_or_else(|| PortProblem::HostPort(host.to_owned()))?;
        // One container port and several host ports is how `docker run` lets the daemon choose.
        if ports.len() > 1 && ports.len() != host_ports.len() {
            let (container, host) = (container.to_owned(), host.to_owned());
            return Err(PortProblem::RangesDiffer { container, host });
        }
    }
    Ok(ExposeWord {
        ports,
        protocol: parsed_protocol,
        has_capitals: protocol.contains(|character: char| character.is_ascii_uppercase()),
        has_host_part: !address.is_empty() || !host.is_empty(),
    })
}

/// Splits at the last two colons: what is before them is an address, which may have colons of its own.
fn split(word: &str) -> (&str, &str, &str) {
    let Some((front, container)) = word.rsplit_once(':') else {
        return ("", "", word);
    };
    let Some((address, host)) = front.rsplit_once(':') else {
        return ("", front, container);
    };
    (address, host, container)
}

fn parse_protocol(protocol: &str) -> Result<PortProtocol, PortProblem> {
    match protocol.to_ascii_lowercase().as_str() {
        "" | "tcp" => Ok(PortProtocol::Tcp),
        "udp" => Ok(PortProtocol::Udp),
        "sctp" => Ok(PortProtocol::Sctp),
        _ => Err(PortProblem::Protocol(protocol.to_owned())),
    }
}

fn check_address(address: &str) -> Result<(), PortProblem> {
    let bare = match address.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').unwrap_or(address),
        None => address,
    };
    if address.is_empty() || bare.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    Err(PortProblem::Address(address.to_owned()))
}

fn parse_range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range = first.parse().ok()?..=last.parse().ok()?;
    (range.start() <= range.end()).then_some(range)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "expect![] is written at the call")]
    fn check(word: &str, expected: Expect) {
        let text = match ExposeWord::parse(word) {
            Ok(parsed) => {
                let ports: Vec<String> = parsed.exposed().map(|port| port.to_string()).collect();
                let capitals = if parsed.has_capitals { " capitals" } else { "" };
                let host = if parsed.has_host_part { " host" } else { "" };
                format!("{}{capitals}{host}", ports.join(" "))
            }
            Err(error) => format!("{error}: {}", error.problem),
        };
        expected.assert_eq(&text);
    }

    #[test]
    fn a_port_is_tcp_unless_it_says_otherwise() {
        check("80", expect!["80/tcp"]);
        check("80/", expect!["80/tcp"]);
        check("53/udp", expect!["53/udp"]);
        check("9/SCTP", expect!["9/sctp capitals"]);
        check("080", expect!["80/tcp"]);
        check("0", expect!["0/tcp"]);
        check("65535", expect!["65535/tcp"]);
    }

    #[test]
    fn a_range_is_all_its_ports() {
        check("8000-8002/udp", expect!["8000/udp 8001/udp 8002/udp"]);
        check("8000-8000", expect!["8000/tcp"]);
        check("65534-65535", expect!["65534/tcp 65535/tcp"]);
    }

    #[test]
    fn a_host_part_is_checked_and_dropped() {
        check("8080:80", expect!["80/tcp host"]);
        check("127.0.0.1:8080:80/udp", expect!["80/udp host"]);
        check("127.0.0.1::80", expect!["80/tcp host"]);
        check("[fe80::1]:1:80", expect!["80/tcp host"]);
        check("fe80::1:1:80", expect!["80/tcp host"]);
        check("8000-8010:80", expect!["80/tcp host"]);
        check("8000-8001:80-81", expect!["80/tcp 81/tcp host"]);
    }

    #[test]
    fn what_is_no_port_is_refused_with_the_reason() {
        check("", expect![[r#"invalid port: "": no port specified"#]]);
        check("/tcp", expect![[r#"invalid port: "/tcp": no port specified"#]]);
        check(
            "80/http",
            expect![[r#"invalid port: "80/http": invalid proto: http"#]],
        );
        check(
            "80/tcp/x",
            expect![[r#"invalid port: "80/tcp/x": invalid proto: tcp/x"#]],
        );
        check(
            "65536",
            expect![[r#"invalid port: "65536": invalid containerPort: 65536"#]],
        );
        check(
            "web",
            expect![[r#"invalid port: "web": invalid containerPort: web"#]],
        );
        check(
            "81-80",
            expect![[r#"invalid port: "81-80": invalid containerPort: 81-80"#]],
        );
        check(
            "80-81-82",
            expect![[r#"invalid port: "80-81-82": invalid containerPort: 80-81-82"#]],
        );
        check(
            "-80",
            expect![[r#"invalid port: "-80": invalid containerPort: -80"#]],
        );
        check("x:80", expect![[r#"invalid port: "x:80": invalid hostPort: x"#]]);
        check(
            "host:1:80",
            expect![[r#"invalid port: "host:1:80": invalid IP address: host"#]],
        );
        check(
            "[::1:1:80",
            expect![[r#"invalid port: "[::1:1:80": invalid IP address: [::1"#]],
        );
        check(
            "1-2:80-82",
            expect![[
                r#"invalid port: "1-2:80-82": invalid ranges specified for container and host Ports: 80-82 and 1-2"#
            ]],
        );
    }
}
