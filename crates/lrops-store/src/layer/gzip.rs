//! gzip in parallel blocks: one member, its bytes independent of the number of threads.
//!
//! The input is cut into blocks of fixed size. Each is compressed by itself, with the last 32 KiB before it as
//! dictionary, and ended at a byte boundary by a sync flush, so that the results can be put one after the other
//! (RFC 1951; the way pigz works). Several blocks are compressed at once; results leave in order.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// The size of a block. Entering the bytes of every layer, it must not change without reason.
const BLOCK_BYTES: usize = 1024 * 1024;

/// Deflate's window: how far back a block can refer.
const WINDOW_BYTES: usize = 32 * 1024;

/// Blocks under way for each thread: enough that a thread never waits for the reader of the input.
const BLOCKS_PER_THREAD: usize = 2;

/// RFC 1952: no name, no time, unknown operating system, so that the same content gives the same bytes.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// A writer that compresses what it is given.
pub struct GzipWriter<W: Write> {
    output: W,
    level: u32,
    block: Vec<u8>,
    window: Arc<[u8]>,
    checksum: Crc,
    pending: VecDeque<Receiver<io::Result<Block>>>,
    workers: Workers,
}

/// A compressed block.
struct Block {
    bytes: Vec<u8>,
    checksum: Crc,
}

struct Job {
    content: Vec<u8>,
    window: Arc<[u8]>,
    flush: FlushCompress,
    level: u32,
    result: SyncSender<io::Result<Block>>,
}

enum Workers {
    None,
    Threads {
        jobs: SyncSender<Job>,
        threads: Vec<JoinHandle<()>>,
    },
}

impl<W: Write> GzipWriter<W> {
    /// Starts a member with up to `threads` threads beside this one; with one or none, this one does the work.
    pub(super) fn new(mut output: W, level: u32, threads: usize) -> io::Result<Self> {
        output.write_all(&HEADER)?;
        Ok(Self {
            output,
            level,
            block: Vec::with_capacity(BLOCK_BYTES),
            window: Arc::from([]),
            checksum: Crc::new(),
            pending: VecDeque::new(),
            workers: Workers::start(threads)?,
        })
    }

    /// Writes what is left and the trailer; returns the output.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.submit(FlushCompress::Finish)?;
        while !self.pending.is_empty() {
            self.collect()?;
        }
        self.output.write_all(&self.checksum.sum().to_le_bytes())?;
        self.output.write_all(&self.checksum.amount().to_le_bytes())?;
        self.workers.stop();
        Ok(self.output)
    }

    fn submit(&mut self, flush: FlushCompress) -> io::Result<()> {
        let content = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK_BYTES));
        let next_window: Arc<[u8]> = Arc::from(&content[content.len().saturating_sub(WINDOW_BYTES)..]);
        let window = std::mem::replace(&mut self.window, next_window);
        let (result, receiver) = sync_channel(1);
        let job = Job {
            content,
            window,
            flush,
            level: self.level,
            result,
        };
        self.pending.push_back(receiver);
        let room = match &self.workers {
            Workers::None => {
                job.run();
                0
            }
            Workers::Threads { jobs, threads } => {
                jobs.send(job).map_err(|_| stopped())?;
                threads.len() * BLOCKS_PER_THREAD
            }
        };
        while self.pending.len() > room {
            self.collect()?;
        }
        Ok(())
    }

    /// Writes the oldest block.
    fn collect(&mut self) -> io::Result<()> {
        let Some(receiver) = self.pending.pop_front() else {
            return Ok(());
        };
        let block = receiver.recv().map_err(|_| stopped())??;
        self.checksum.combine(&block.checksum);
        self.output.write_all(&block.bytes)
    }
}

impl<W: Write> Write for GzipWriter<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let length = buffer.len().min(BLOCK_BYTES - self.block.len());
        self.block.extend_from_slice(&buffer[..length]);
        if self.block.len() == BLOCK_BYTES {
            self.submit(FlushCompress::Sync)?;
        }
        Ok(length)
    }

    /// Passes on what is ready. Does not end a block, which would change the bytes.
    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

impl Workers {
    fn start(threads: usize) -> io::Result<Self> {
        if threads < 2 {
            return Ok(Self::None);
        }
        let (jobs, receiver) = sync_channel::<Job>(threads * BLOCKS_PER_THREAD);
        let receiver = Arc::new(Mutex::new(receiver));
        let start = |index| {
            let receiver = Arc::clone(&receiver);
            let name = format!("gzip-{index}");
            std::thread::Builder::new()
                .name(name)
                .spawn(move || work(&receiver))
        };
        let threads = (0..threads).map(start).collect::<io::Result<_>>()?;
        Ok(Self::Threads { jobs, threads })
    }

    fn stop(self) {
        if let Self::Threads { jobs, threads } = self {
            drop(jobs);
            for thread in threads {
                // A panic in a worker has been seen already: its block never arrived.
                let _ = thread.join();
            }
        }
    }
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job.run(),
            Err(_) => return,
        }
    }
}

fn stopped() -> io::Error {
    io::Error::other("a compressing thread stopped")
}

impl Job {
    /// Compresses the block and sends the result; nobody waits for it any more when writing has failed elsewhere.
    fn run(self) {
        let _ = self.result.send(self.compress());
    }

    /// Compresses with a state of its own: one that was used before and reset finds other matches now and then, so
    /// the bytes would depend on which thread had which block.
    fn compress(&self) -> io::Result<Block> {
        let mut checksum = Crc::new();
        checksum.update(&self.content);
        let mut compressor = Compress::new(Compression::new(self.level), false);
        if !self.window.is_empty() {
            compressor.set_dictionary(&self.window)?;
        }
        let mut bytes = Vec::with_capacity(self.content.len() / 2 + 1024);
        loop {
            let read = usize::try_from(compressor.total_in()).map_err(io::Error::other)?;
            let before = bytes.len();
            let status = compressor.compress_vec(&self.content[read..], &mut bytes, self.flush)?;
            let read = compressor.total_in();
            // A flush is complete when room was left in the output.
            let has_room = bytes.len() < bytes.capacity();
            let complete = match self.flush {
                FlushCompress::Finish => status == Status::StreamEnd,
                _ => read == self.content.len() as u64 && has_room,
            };
            if complete {
                return Ok(Block { bytes, checksum });
            }
            if has_room && bytes.len() == before && read == 0 {
                return Err(io::Error::other("deflate makes no progress"));
            }
            bytes.reserve(bytes.capacity() / 2 + 1024);
        }
    }
}
