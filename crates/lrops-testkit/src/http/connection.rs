//! Listening, and the ways in which a connection ends.

use std::collections::BTreeMap;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;

/// How long a client has to read an answer that came before its whole request was read.
const ANSWER_STAYS: Duration = Duration::from_millis(300);
const STEP: Duration = Duration::from_millis(5);

/// A loopback port, with a thread for each of its connections; dropping it ends them.
pub(crate) struct Listener {
    address: SocketAddr,
    connections: Arc<Connections>,
}

impl Listener {
    /// Listens on a free loopback port.
    pub(crate) fn start(
        connections: Arc<Connections>,
        serve: impl Fn(&TcpStream) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let served = connections.clone();
        let serve = Arc::new(serve);
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if served.is_stopped() {
                    break;
                }
                let (serve, served) = (serve.clone(), served.clone());
                std::thread::spawn(move || {
                    let number = served.enter(&stream);
                    // Many small writes without this wait for the other side's delayed acknowledgement.
                    let _ = stream.set_nodelay(true);
                    serve(&stream);
                    drop(stream);
                    served.open().remove(&number);
                });
            }
        });
        Self { address, connections }
    }

    /// Returns the address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.connections.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for a connection.
        let _ = TcpStream::connect(self.address);
        self.connections.end_all();
    }
}

/// The connections of a listener that are open.
#[derive(Default)]
pub(crate) struct Connections {
    stopped: AtomicBool,
    count: AtomicU64,
    open: Mutex<BTreeMap<u64, TcpStream>>,
}

impl Connections {
    /// Returns whether the listener is gone.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Ends all connections.
    pub(crate) fn end_all(&self) {
        for stream in self.open().values() {
            reset(stream);
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn enter(&self, stream: &TcpStream) -> u64 {
        let number = self.count.fetch_add(1, Ordering::SeqCst);
        if let Ok(stream) = stream.try_clone() {
            self.open().insert(number, stream);
        }
        if self.is_stopped() {
            self.end_all();
        }
        number
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<u64, TcpStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the end of a connection a reset: what was not delivered is lost, and the other side gets an error.
pub(crate) fn reset(stream: &TcpStream) {
    // A socket that is gone already needs no reset.
    let _ = set_socket_linger(stream, Some(Duration::ZERO));
}

/// Ends a connection after an answer to a request that was not read to its end.
///
/// Closing at once would send a reset, for there are unread bytes, and it could overtake the answer.
pub(crate) fn close_after_answer(stream: &TcpStream) {
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.set_read_timeout(Some(ANSWER_STAYS));
    let started = Instant::now();
    while started.elapsed() < ANSWER_STAYS {
        match stream.peek(&mut [0]) {
            Ok(1..) => std::thread::sleep(STEP),
            Ok(0) | Err(_) => return,
        }
    }
}

/// Waits until the time is over, or `ends`.
pub(crate) fn wait(duration: Duration, ends: impl Fn() -> bool) {
    let started = Instant::now();
    while !ends() {
        let left = duration.saturating_sub(started.elapsed());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(left.min(STEP));
    }
}
