//! Downloads: GET with explicit timeouts, retries and resumption.
//!
//! Invariants: the bytes come as the server stores them (no transparent decompression), since digests are over bytes ·
//! what was written to a sink is never written again or altered: a resumed download goes on at the same byte of the
//! same content, or fails · https is never left for http on a redirect · a URL is shown without its credentials and
//! query.

mod address;
mod address_range;
mod client;
mod error;
mod exchange;
mod patience;
mod settings;
mod transfer;
mod trust;
mod waits;

pub use address_range::{AddressRange, ParseAddressRangeError};
pub use client::HttpClient;
pub use error::{HttpError, HttpProblem};
pub use settings::{HttpSettings, Proxies, RETRY_WAITS, Timeouts};
pub use transfer::TransferProgress;
pub use trust::{ClientCertificate, HostCertificates, HostTrust};

pub(crate) use address::{Address, Scheme, base64, base64_decoded};
pub(crate) use exchange::{Answer, Exchange, Method, RequestBody};
pub(crate) use transfer::{PROGRESS_RENEWING_RETRIES_BYTES, range_start};
pub(crate) use waits::{TooLong, is_passing, pause, retry_after, said, wait_for};
