//! Who takes part in a hub: what waits for each, who has to wait for whom, and to whom nobody will speak any more. It
//! locks nothing and wakes nobody.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::ear::{Chunk, Ear, Limit, Owner};
use crate::sys::bell::Bell;

/// Under `--fan-out`, bytes that wait for a listener before the speaker waits.
const WINDOW: usize = 256 * 1024;

/// The number of the house.
pub(super) const HOUSE: u64 = 0;

/// How standard input is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// The house speaks to all peers and waits for the slowest; peers speak to the house.
    FanOut,
    /// All speak to all others, and nobody waits.
    Hub {
        /// Bytes kept for one who does not listen; what comes beyond that is lost to it.
        queue: usize,
    },
}

impl Sharing {
    fn hears(self, listener: u64, speaker: u64) -> bool {
        match self {
            Sharing::FanOut => (listener == HOUSE) != (speaker == HOUSE),
            Sharing::Hub { .. } => listener != speaker,
        }
    }

    /// What happens to what is not heard. With `patience`, who speaks waits in any case.
    pub(super) fn limit(self, patience: bool) -> Limit {
        match self {
            Sharing::Hub { queue } if !patience => Limit::Lose(queue),
            Sharing::Hub { .. } | Sharing::FanOut => Limit::Wait(WINDOW),
        }
    }
}

/// Those who take part.
#[derive(Debug)]
pub(super) struct Company {
    sharing: Sharing,
    /// Who hears: the house always, and each peer until it leaves.
    ears: BTreeMap<u64, Ear>,
    /// Who may still speak.
    speakers: BTreeSet<u64>,
    next: u64,
    /// Peers for whom the house has to wait.
    full: usize,
    /// Nobody else is admitted,
    closed: bool,
    /// but so many have been who have not joined yet.
    expected: usize,
    /// The house's last words, said to nobody: the next peer hears them.
    unheard: Option<Chunk>,
}

/// What there is for a listener.
#[derive(Debug)]
pub(super) enum Taken {
    /// These chunks.
    Chunks(VecDeque<Chunk>),
    /// Nothing yet.
    Nothing,
    /// Nothing, for ever.
    End,
}

/// What handing out a chunk has led to.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// The bells of those for whom nothing was waiting before.
    pub(super) awakened: Vec<Arc<Bell>>,
    /// Those who begin to lose.
    pub(super) behind: Vec<Arc<Owner>>,
}

impl Company {
    pub(super) fn new(sharing: Sharing, house: Ear, speaks: bool) -> Self {
        Self {
            sharing,
            ears: BTreeMap::from([(HOUSE, house)]),
            speakers: speaks.then_some(HOUSE).into_iter().collect(),
            next: HOUSE + 1,
            full: 0,
            closed: false,
            expected: 0,
            unheard: None,
        }
    }

    fn peers(&self) -> usize {
        self.ears.len() - 1
    }

    /// Whether what a speaker says can be handed out now.
    pub(super) fn has_room(&self, speaker: u64) -> bool {
        match speaker {
            HOUSE => self.peers() > 0 && self.full == 0,
            _ => self.ears.get(&HOUSE).is_none_or(|house| !house.is_full()),
        }
    }

    /// Whether nobody will ever speak to this listener again. The house stays until the last peer has left.
    fn is_over(&self, listener: u64) -> bool {
        if self.sharing == Sharing::FanOut && listener != HOUSE {
            return !self.speakers.contains(&HOUSE);
        }
        let own = usize::from(self.speakers.contains(&listener));
        let newcomers = !self.closed || self.expected > 0;
        !newcomers && self.speakers.len() == own && (listener != HOUSE || self.peers() == 0)
    }

    /// The bells of those to whom nobody will speak any more.
    pub(super) fn done(&self) -> Vec<Arc<Bell>> {
        let newcomers = !self.closed || self.expected > 0;
        if newcomers && (self.sharing != Sharing::FanOut || self.speakers.contains(&HOUSE)) {
            // That is nobody, and many need not be asked one by one.
            return Vec::new();
        }
        let done = self.ears.iter().filter(|(listener, _)| self.is_over(**listener));
        done.map(|(_, ear)| Arc::clone(&ear.bell)).collect()
    }

    /// Somebody has been admitted.
    pub(super) fn expect(&mut self) {
        self.expected += 1;
    }

    /// Somebody who was admitted does not join.
    pub(super) fn give_up(&mut self) {
        self.expected = self.expected.saturating_sub(1);
    }

    /// Nobody else is admitted.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// One who was admitted joins, to hear and to be heard; its number.
    pub(super) fn join(&mut self, mut ear: Ear) -> u64 {
        let number = self.next;
        self.next += 1;
        self.give_up();
        if let Some(words) = self.unheard.take() {
            ear.take(&words);
        }
        self.full += usize::from(ear.is_full());
        self.ears.insert(number, ear);
        self.speakers.insert(number);
        number
    }

    /// Whether there is anything for a listener, an end included.
    pub(super) fn has_news(&self, listener: u64) -> bool {
        self.ears.get(&listener).is_some_and(|ear| !ear.queue.is_empty()) || self.is_over(listener)
    }

    /// Hands a chunk to all who hear the speaker, room or not.
    pub(super) fn hand_out(&mut self, speaker: u64, chunk: &Chunk) -> Heard {
        let (sharing, mut heard, mut filled) = (self.sharing, Heard::default(), 0);
        for (listener, ear) in self.ears.iter_mut().filter(|(listener, _)| sharing.hears(**listener, speaker)) {
            let (was_empty, was_full, had_lost) = (ear.queue.is_empty(), ear.is_full(), ear.lost > 0);
            match ear.take(chunk) {
                true if was_empty => heard.awakened.push(Arc::clone(&ear.bell)),
                false if !had_lost => heard.behind.push(Arc::clone(&ear.owner)),
                _ => {}
            }
            filled += usize::from(*listener != HOUSE && !was_full && ear.is_full());
        }
        self.full += filled;
        heard
    }

    /// What waits for a listener, about as many bytes as it has room for. Where nothing is left, its bell is silent
    /// from now on.
    pub(super) fn take(&mut self, listener: u64, room: usize) -> Taken {
        let Some(ear) = self.ears.get_mut(&listener) else { return Taken::End };
        let was_full = ear.is_full();
        let chunks = ear.give(room);
        self.full -= usize::from(listener != HOUSE && was_full && !ear.is_full());
        if !self.has_news(listener) {
            self.ears[&listener].bell.silence();
        }
        match chunks.is_empty() {
            false => Taken::Chunks(chunks),
            true if self.is_over(listener) => Taken::End,
            true => Taken::Nothing,
        }
    }

    /// A listener leaves. Of the house, an ear stays that has heard nothing yet.
    pub(super) fn leave(&mut self, listener: u64) -> Option<Ear> {
        if listener == HOUSE {
            return self.ears.get_mut(&HOUSE).map(Ear::part);
        }
        let ear = self.ears.remove(&listener)?;
        self.full -= usize::from(ear.is_full());
        Some(ear)
    }

    /// A speaker falls silent, with these last words perhaps. They do not wait for room; where nobody hears those of
    /// the house, they are kept for the next who comes.
    pub(super) fn fall_silent(&mut self, speaker: u64, words: Option<&Chunk>) -> Heard {
        let spoke = self.speakers.remove(&speaker);
        match words.filter(|_| spoke) {
            Some(words) if speaker == HOUSE && self.peers() == 0 => {
                self.unheard = Some(Arc::clone(words));
                Heard::default()
            }
            Some(words) => self.hand_out(speaker, words),
            None => Heard::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Log;

    const HUB: Sharing = Sharing::Hub { queue: 1000 };

    fn ear(sharing: Sharing) -> Ear {
        Ear::new("somebody", &Log::default(), sharing.limit(false)).unwrap()
    }

    /// A house that speaks, and two peers: 1 and 2.
    fn company(sharing: Sharing) -> Company {
        let mut company = Company::new(sharing, ear(sharing), true);
        for _ in 0..2 {
            company.expect();
            company.join(ear(sharing));
        }
        company
    }

    fn heard(company: &mut Company, listener: u64) -> String {
        match company.take(listener, usize::MAX) {
            Taken::Chunks(chunks) => chunks.iter().map(|chunk| String::from_utf8_lossy(chunk).into_owned()).collect(),
            Taken::Nothing => String::new(),
            Taken::End => "END".into(),
        }
    }

    fn say(company: &mut Company, speaker: u64, words: &str) {
        company.hand_out(speaker, &words.as_bytes().into());
    }

    #[test]
    fn who_hears_whom() {
        for (sharing, ears) in [(Sharing::FanOut, ["12", "0", "0"]), (HUB, ["12", "02", "01"])] {
            let mut company = company(sharing);
            for speaker in 0..3 {
                say(&mut company, speaker, &speaker.to_string());
            }
            for (listener, wanted) in (0..).zip(ears) {
                assert_eq!(heard(&mut company, listener), wanted, "{listener} under {sharing:?}");
            }
        }
    }

    #[test]
    fn a_fan_out_waits_for_the_slowest() {
        let mut company = company(Sharing::FanOut);
        let much = "x".repeat(WINDOW);
        say(&mut company, HOUSE, &much);
        assert!(!company.has_room(HOUSE));
        assert_eq!(heard(&mut company, 1), much);
        assert!(!company.has_room(HOUSE), "2 has not heard it");
        company.leave(2);
        assert!(company.has_room(HOUSE));
        say(&mut company, 1, &much);
        assert!(!company.has_room(1) && company.has_room(HOUSE));
        assert_eq!(heard(&mut company, HOUSE), much);
        assert!(company.has_room(1));
        company.leave(1);
        assert!(!company.has_room(HOUSE), "nobody would hear it");
    }

    #[test]
    fn a_hub_waits_for_nobody_and_drops_whole_chunks() {
        let mut company = company(HUB);
        let first = company.hand_out(1, &[b'x'; 900].into());
        assert_eq!((first.awakened.len(), first.behind.len()), (2, 0));
        let second = company.hand_out(1, &[b'y'; 200].into());
        assert_eq!((second.awakened.len(), second.behind.len()), (0, 2));
        let third = company.hand_out(1, &[b'z'; 100].into());
        assert_eq!((third.awakened.len(), third.behind.len()), (0, 0), "once is enough");
        assert!((0..3).all(|speaker| company.has_room(speaker)));
        assert_eq!(heard(&mut company, 2), "x".repeat(900) + &"z".repeat(100));
        assert_eq!(company.leave(2).map(|ear| ear.lost), Some(200));
        say(&mut company, 1, &"w".repeat(2000));
        assert_eq!(heard(&mut company, HOUSE).len(), 1000, "what came before is still there");
        say(&mut company, 1, &"w".repeat(2000));
        assert_eq!(heard(&mut company, HOUSE).len(), 2000, "an empty queue takes anything");
    }

    #[test]
    fn a_hub_waits_for_a_file() {
        let mut company = Company::new(HUB, Ear::new("file", &Log::default(), HUB.limit(true)).unwrap(), true);
        let peer = company.join(ear(HUB));
        say(&mut company, peer, &"x".repeat(WINDOW));
        assert!(!company.has_room(peer) && company.has_room(HOUSE));
        assert_eq!(heard(&mut company, HOUSE).len(), WINDOW);
        assert!(company.has_room(peer));
    }

    #[test]
    fn an_end_is_the_end_of_all_who_may_speak() {
        let mut fan = company(Sharing::FanOut);
        say(&mut fan, HOUSE, "last");
        fan.fall_silent(HOUSE, None);
        assert_eq!([heard(&mut fan, 1), heard(&mut fan, 1), heard(&mut fan, 0)], ["last", "END", ""]);
        let mut hub = company(HUB);
        hub.fall_silent(HOUSE, None);
        hub.fall_silent(1, None);
        assert_eq!(heard(&mut hub, 2), "", "others may come");
        hub.expect();
        hub.close();
        assert_eq!(heard(&mut hub, 2), "", "one is on its way");
        hub.give_up();
        assert_eq!([heard(&mut hub, 2), heard(&mut hub, 1)], ["END", ""]);
        hub.fall_silent(2, Some(&b"bye".as_slice().into()));
        assert_eq!([heard(&mut hub, 1), heard(&mut hub, 1), heard(&mut hub, HOUSE)], ["bye", "END", "bye"]);
        hub.leave(1);
        assert_eq!(heard(&mut hub, HOUSE), "", "the last peer is not gone");
        hub.leave(2);
        assert_eq!(heard(&mut hub, HOUSE), "END");
    }

    #[test]
    fn last_words_wait_for_the_next_peer() {
        let sharing = Sharing::FanOut;
        let mut company = Company::new(sharing, ear(sharing), true);
        company.fall_silent(HOUSE, Some(&b"words".as_slice().into()));
        let number = company.join(ear(sharing));
        assert_eq!([heard(&mut company, number), heard(&mut company, number)], ["words", "END"]);
    }
}
