//! A record that was being written when the machine died: replayed up to it, with one warning.

use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tt_testkit::World;
use tt_testkit::world::Backend;

use crate::audit::{Evidence, Kill};
use crate::load::{Life, Load};
use crate::setup::{caller, journals, start, world_on};
use crate::size;

#[tokio::test]
async fn a_torn_last_record_is_replayed_up_to_with_one_warning() {
    let seed = size::seed();
    let world = world_on(Backend::Sqlite).await;
    let mut first = start(&world).await;
    let user = caller(&first).await;
    let (lives, watched) = watch::channel(None);
    lives.send_replace(Some(Life { number: 0, address: first.address().to_owned() }));
    let load = Load::new(user.clone(), seed, 200, watched.clone());
    let mut begun = load.begun.subscribe();
    let dying = async {
        begun.wait_for(|begun| *begun >= 150).await.unwrap();
        // The clients that are left have the second life.
        let from = Instant::now();
        first.kill();
        let kill = Kill { from, to: Instant::now() };
        tear(&world);
        let second = start(&world).await;
        lives.send_replace(Some(Life { number: 1, address: second.address().to_owned() }));
        (kill, second)
    };
    let (told, (kill, second)) = tokio::join!(load.clients(16), dying);
    let until = Instant::now() + Duration::from_secs(30);
    while journals(&world).len() > 1 {
        assert!(Instant::now() < until, "{:?}: {}", journals(&world), second.stderr());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (rows, seen) = user.settled(&second, &world).await;
    let verdict = Evidence { rows: &rows, seen: &seen, told: &told, kills: &[kill], may_refuse: false }.judge();
    println!("{verdict}");
    verdict.holds();
    let log = second.stderr();
    let torn: Vec<_> = log.lines().filter(|line| line.contains("torn record")).collect();
    assert_eq!(torn.len(), 1, "{log}");
    assert!(torn[0].contains("WARN") && !log.contains("ERROR"), "{log}");
}

/// Writes the beginning of a record, and no more, after the last one of the fullest segment.
fn tear(world: &World) {
    let segments = std::fs::read_dir(world.data_dir().join("journal").join(&journals(world)[0])).unwrap();
    let paths: Vec<PathBuf> = segments.map(|entry| entry.unwrap().path()).collect();
    let segments = paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "seg"));
    let (end, fullest) = segments.map(|path| (end_of_records(&std::fs::read(path).unwrap()), path)).max().unwrap();
    assert!(end > HEADER, "the journal is empty");
    // Its length, its checksum, and a quarter of what they announce.
    let mut torn = 400_u32.to_le_bytes().to_vec();
    torn.extend_from_slice(&[0xa5; 4]);
    torn.extend_from_slice(&[b'{'; 100]);
    let file = std::fs::File::options().write(true).open(fullest).unwrap();
    file.write_all_at(&torn, end as u64).unwrap();
}

/// The bytes before a segment's first record.
const HEADER: usize = 28;

/// The offset after the last record of a segment. A record may end in zeros, and so does the room after it, so its length is
/// read: four bytes, and four of a checksum, before each.
fn end_of_records(segment: &[u8]) -> usize {
    let mut end = HEADER;
    while let Some(length) = segment.get(end..end + 4).map(|length| u32::from_le_bytes(length.try_into().unwrap()))
        && length > 0
    {
        end += 8 + usize::try_from(length).unwrap();
    }
    end
}
