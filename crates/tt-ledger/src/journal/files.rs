//! The file layer of the journal: the trait that it needs of a file system, and the operating system's own.

use std::any::Any;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// An exclusive lock. Dropping it releases it, and so does the end of the process, however it ends.
pub type Lock = Box<dyn Any + Send + Sync>;

/// A file system as the journal needs it. Every call blocks.
pub trait Files: Send + Sync {
    /// Makes a directory and its parents, readable by the owner only.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// The names in a directory.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Locks a file, and makes it if it is missing. Returns `None` if another process holds the lock.
    fn lock(&self, path: &Path) -> io::Result<Option<Lock>>;
    /// Makes a file. An error if there is one of that name.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>>;
    /// Opens a file for reading.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>>;
    /// Gives a file or directory another name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty directory.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
}

/// One segment of the journal.
pub trait JournalFile: Send + Sync {
    /// Writes all bytes. On an error some of them may be written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Reads some bytes; 0 at the end.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize>;
    /// Its length in bytes, reserved room included.
    fn size(&self) -> io::Result<u64>;
    /// Reserves room up to `size` bytes, so that writing there cannot fail for want of space. New room reads as zeros.
    fn allocate(&self, size: u64) -> io::Result<()>;
    /// Makes what was written durable.
    fn sync(&self) -> io::Result<()>;
}

/// The file system of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Files for Disk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Lock>> {
        let file = owners_only(File::options().create(true).truncate(false).write(true)).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>> {
        Ok(Arc::new(owners_only(File::options().create_new(true).read(true).write(true)).open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>> {
        Ok(Arc::new(File::open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
    }
}

/// A file that these options make can be read and written by its owner only: whoever may open a lock may hold it, and
/// journals name users and models.
fn owners_only(options: &mut OpenOptions) -> &OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

impl JournalFile for File {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        #[cfg(unix)]
        return std::os::unix::fs::FileExt::write_all_at(self, bytes, offset);
        #[cfg(windows)]
        {
            let mut done = 0;
            while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
                match std::os::windows::fs::FileExt::seek_write(self, rest, offset + done as u64)? {
                    0 => return Err(io::ErrorKind::WriteZero.into()),
                    written => done += written,
                }
            }
            Ok(())
        }
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        #[cfg(unix)]
        return std::os::unix::fs::FileExt::read_at(self, bytes, offset);
        #[cfg(windows)]
        return std::os::windows::fs::FileExt::seek_read(self, bytes, offset);
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn allocate(&self, size: u64) -> io::Result<()> {
        match fs4::fs_std::FileExt::allocate(self, size) {
            // The file system cannot reserve room. Zeros reserve it on every file system that does not copy on write.
            Err(error) if matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput) => {
                let (mut at, zeros) = (self.metadata()?.len(), [0; 8192]);
                while at < size {
                    let count = zeros.len().min(usize::try_from(size - at).unwrap_or(usize::MAX));
                    self.write_at(at, zeros.get(..count).unwrap_or(&zeros))?;
                    at += count as u64;
                }
                Ok(())
            }
            done => done,
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
