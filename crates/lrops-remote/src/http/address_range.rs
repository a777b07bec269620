//! Ranges of addresses: `10.0.0.0/8`, `fd00::/8`, or one address.

use std::net::IpAddr;
use std::str::FromStr;

/// All addresses that begin with the same bits (RFC 4632).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AddressRange {
    address: IpAddr,
    bits: u32,
}

impl AddressRange {
    /// Returns whether the address is one of the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - self.bits).unwrap_or_default();
                own.to_bits() & mask == other.to_bits() & mask
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128 - self.bits).unwrap_or_default();
                own.to_bits() & mask == other.to_bits() & mask
            }
            _ => false,
        }
    }
}

/// A text that is no range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an address, perhaps with a number of bits, such as 10.0.0.0/8")]
pub struct ParseAddressRangeError;

impl FromStr for AddressRange {
    type Err = ParseAddressRangeError;

    fn from_str(text: &str) -> Result<Self, ParseAddressRangeError> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| ParseAddressRangeError)?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().map_err(|_| ParseAddressRangeError)?,
            None => bits_max,
        };
        if bits > bits_max {
            return Err(ParseAddressRangeError);
        }
        Ok(Self { address, bits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(range: &str, inside: &[&str], outside: &[&str]) {
        let range: AddressRange = range.parse().unwrap();
        for (addresses, expected) in [(inside, true), (outside, false)] {
            for address in addresses {
                assert_eq!(range.contains(address.parse().unwrap()), expected, "{address}");
            }
        }
    }

    #[test]
    fn a_range_has_the_addresses_that_begin_alike() {
        check(
            "10.0.0.0/8",
            &["10.0.0.0", "10.255.1.2", "::ffff:10.1.2.3"],
            &["11.0.0.0", "::a"],
        );
        check("192.168.1.128/25", &["192.168.1.255"], &["192.168.1.127"]);
        check("fd00::/8", &["fdff::1"], &["fe80::1", "10.0.0.1"]);
        check("0.0.0.0/0", &["1.2.3.4"], &["::1"]);
        check("1.2.3.4", &["1.2.3.4"], &["1.2.3.5"]);
        check("::1", &["::1"], &["::2"]);
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "",
            "host",
            "10.0.0.0/33",
            "10.0.0/8",
            "10.0.0.0/",
            "::/129",
            "1.2.3.4:80",
        ] {
            assert_eq!(
                text.parse::<AddressRange>(),
                Err(ParseAddressRangeError),
                "{text:?}"
            );
        }
    }
}
