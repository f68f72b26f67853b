// Following: the server tells what is new, and the page loads it then. Where
// that does not work the page is kept fresh all the same, by asking.

// The server says something every 15 s: a proxy between may hold it back.
const kHeard = 20000;
// A report is up to a second old: this one has what was just told.
const kNewsDelay = 1100;
const kFollowAgain = 60000;

const stream = {
  source: null,
  heardAt: -Infinity,  // this machine's clock, monotonic
  again: 0,            // timer
  news: 0,             // timer
};

function isFollowing() {
  return performance.now() - stream.heardAt < kHeard;
}

function unfollow() {
  clearTimeout(stream.again);
  clearTimeout(stream.news);
  stream.news = 0;
  stream.heardAt = -Infinity;
  if (stream.source) {
    stream.source.close();
    stream.source = null;
  }
}

// A browser has few connections to a server: only what is seen takes one.
function follow() {
  unfollow();
  if (feed.paused || document.hidden || !window.EventSource) {
    return;
  }
  const params = new URLSearchParams(location.search);
  params.delete('format');
  params.delete('window');
  params.set('follow', '1');
  params.set('limit', 0);
  const source = new EventSource(`${location.pathname}?${params}`);
  stream.source = source;
  for (const type of ['alive', 'failure', 'incident', 'left_out']) {
    source.addEventListener(type, () => {
      stream.heardAt = performance.now();
      if (type !== 'alive') {
        loadSoon();
      }
    });
  }
  source.addEventListener('error', () => {
    // Once: errors that go on must not put off what is due.
    const slow = feed.slow;
    stream.heardAt = -Infinity;
    if (source.readyState === EventSource.CLOSED) {  // else it tries again
      stream.again = setTimeout(follow, kFollowAgain);
    }
    if (slow && !feed.loading) {
      schedule();
    }
  });
}

// However much is new: once in a while, and never into a load at work.
function loadSoon() {
  if (!stream.news && !feed.paused) {
    stream.news = setTimeout(() => {
      stream.news = 0;
      if (feed.loading) {
        loadSoon();
      } else if (!feed.paused) {
        load();
      }
    }, kNewsDelay);
  }
}
