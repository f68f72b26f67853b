// State, the address bar, and the loop that keeps the page fresh.

const kInterval = 5000;
// While what is new is told, only rates and the time that passes are asked for.
const kSlowInterval = 3 * kInterval;
const kStale = 4 * kInterval;

const view = {
  sort: '',
  open: new Set(),        // upstreams
  openEvents: new Set(),  // ids
  pinned: new Map(),      // open events by id
  openIncidents: new Set(),   // ids
  incidentEvents: new Map(),  // of open incidents, by id: see loadIncident
  window: '1h',
  peersShown: new Map(),  // by upstream
  upstreamsShown: kUpstreamsAtOnce,
  cardsShown: kCardsAtOnce,
  limit: kLimit,
  filter: {q: '', cause: '', only: '', seen: false},
};

const feed = {
  data: null,
  loadedAt: 0,   // this machine's clock, monotonic
  failedAt: 0,
  problem: '',
  paused: false,
  timer: 0,
  slow: false,   // it is only to ask for what is not told
  loading: null,
};

// ---- the address bar: #upstream=app&cause=read_timeout&event=17, #incident-3

function readHash() {
  const params = new URLSearchParams(location.hash.slice(1));
  const all = (name) => params.getAll(name).filter(Boolean);
  view.open = new Set(all('upstream'));
  view.openEvents = new Set(all('event').map(Number));
  const [, one] = location.hash.match(/^#incident-(\d+)$/) || [];
  view.openIncidents =
      new Set([...all('incident'), ...(one ? [one] : [])].map(Number));
  const wanted = params.get('window') ||
      new URLSearchParams(location.search).get('window');
  view.window = Object.hasOwn(kWindows, wanted) ? wanted : one ? '7d' : '1h';
  view.filter = {q: params.get('q') || '', cause: params.get('cause') || '',
                 only: params.get('in') || '', seen: params.has('seen')};
  const sort = params.get('sort');
  view.sort = [...$('upstreams').tHead.rows[0].cells]
      .some((th) => th.dataset.sort === sort) ? sort : '';
  $('search').value = view.filter.q;
  $('filter-seen').checked = view.filter.seen;
}

function writeHash() {
  const params = new URLSearchParams();
  const {filter} = view;
  view.open.forEach((name) => params.append('upstream', name));
  view.openEvents.forEach((id) => params.append('event', id));
  view.openIncidents.forEach((id) => params.append('incident', id));
  if (view.window !== '1h') {
    params.set('window', view.window);
  }
  for (const [name, value] of [['q', filter.q], ['cause', filter.cause],
                               ['in', filter.only], ['sort', view.sort]]) {
    if (value) {
      params.set(name, value);
    }
  }
  if (filter.seen) {
    params.set('seen', '1');
  }
  const hash = params.toString();
  history.replaceState(null, '', location.pathname + location.search +
      (hash ? `#${hash}` : ''));
}

// ---- drawing

// That of the chosen window, or what there is until it is loaded.
function historyOf({shown, totals: {history}}) {
  return shown && windowOf(shown) === view.window ? shown : history;
}

// The server's time now: its clock counts, not this machine's.
function serverNow() {
  return feed.data.server.time + performance.now() - feed.loadedAt;
}

function renderAll() {
  const {data} = feed;
  if (data) {
    const now = serverNow();
    renderVerdict(data, now);
    renderCards(data, now, view);
    const history = historyOf(data);
    const [note, span] = kWindows[windowOf(history)];
    setText($('chart-note'), note);
    for (const node of document.querySelectorAll('[data-window]')) {
      setAttribute(node, 'aria-pressed',
                   String(node.dataset.window === view.window));
    }
    renderChart(history, span, view.filter.cause, chooseCause);
    renderIncidents(data, now, view);
    renderUpstreams(data, now, view);
    renderEvents(data, now, view);
    renderFooter(data, now);
  }
  renderFreshness();
}

function renderFreshness() {
  const age = performance.now() - feed.loadedAt;
  const stale = Boolean(feed.data) && age > kStale && !feed.paused;
  let text = '';
  if (feed.data) {
    text = `${feed.paused ? 'Paused, from' : 'Updated'} ${
        clock(Date.now() - age, true)}`;
    if (stale) {
      text += ` (${duration(age)} old)`;
    }
  }
  setText($('freshness'), text);
  document.documentElement.toggleAttribute('data-stale', stale);
  const problem = feed.problem || (stale ? 'The data is old.' : '');
  $('problem').hidden = problem === '';
  setText($('problem'), problem);
}

function changed() {
  writeHash();
  renderAll();
}

view.toggle = (name) => {
  if (!view.open.delete(name)) {
    view.open.add(name);
  }
  changed();
};

view.more = (name) => {
  view.peersShown.set(name, view.more.shown(name) + 200);
  renderAll();
};
view.more.shown = (name) => view.peersShown.get(name) || kPeersAtOnce;

view.eventToggled = (event, open) => {
  if (view.openEvents.has(event.id) !== open) {
    view.openEvents[open ? 'add' : 'delete'](event.id);
    writeHash();
  }
  if (open) {
    view.pinned.set(event.id, event);
  } else {
    view.pinned.delete(event.id);
  }
};

view.incidentToggled = (id, open) => {
  if (view.openIncidents.has(id) !== open) {
    view.openIncidents[open ? 'add' : 'delete'](id);
    writeHash();
  }
  if (!open) {
    view.incidentEvents.delete(id);
  } else if (!view.incidentEvents.has(id)) {  // others with the next data
    loadIncident(id, view);
  }
};

view.showIncident = (id) => {
  view.openIncidents.add(id);
  changed();
  const node = $('incidents').nodesByKey.get(id);
  if (node) {
    node.scrollIntoView({block: 'start'});
    node.querySelector('summary').focus({preventScroll: true});
  }
};

view.reveal = (name) => {
  view.open.add(name);
  changed();
  const node = $('upstreams').tBodies[0].nodesByKey.get(`u${name}`);
  if (node) {
    node.scrollIntoView({block: 'start'});
    node.querySelector('button').focus({preventScroll: true});
  }
};

function chooseCause(name) {
  view.filter.cause = view.filter.cause === name ? '' : name;
  changed();
  load();
}

// ---- loading

function failed(error) {
  feed.failedAt = feed.failedAt || Date.now();
  feed.problem = `Not up to date since ${clock(feed.failedAt, true)}: ${
      whyNot(error)} Trying again.`;
}

function accept(data) {
  const first = !feed.data;
  Object.assign(feed, {data, loadedAt: performance.now(), failedAt: 0,
                       problem: ''});
  renderAll();
  loadIncidents(data, view);
  if (first) {
    goToTarget();
  }
}

async function load() {
  clearTimeout(feed.timer);
  if (feed.loading) {
    feed.loading.abort();
  }
  const loading = new AbortController();
  feed.loading = loading;
  const timeout = setTimeout(() => {
    loading.abort(new DOMException('timeout', 'TimeoutError'));
  }, 2 * kInterval);
  try {
    accept(await requestAll(loading.signal));
  } catch (error) {
    if (feed.loading === loading) {
      failed(error);
      renderAll();
    }
  }
  clearTimeout(timeout);
  if (feed.loading === loading) {
    feed.loading = null;
    schedule();
  }
}

function schedule() {
  clearTimeout(feed.timer);
  if (!feed.paused && !document.hidden) {
    feed.slow = isFollowing();
    feed.timer = setTimeout(load, feed.slow ? kSlowInterval : kInterval);
  }
}

// Brings what a link names into sight, once.
function goToTarget() {
  const [event] = view.openEvents;
  const [name] = view.open;
  const [incident] = view.openIncidents;
  const node = incident !== undefined ?
      $('incidents').nodesByKey.get(incident) : event !== undefined ? $('events').nodesByKey.get(event) :
      $('upstreams').tBodies[0].nodesByKey.get(`u${name}`);
  if (node) {
    node.scrollIntoView({block: 'start'});
  }
}

// ---- listening

function listenToFilters() {
  const set = (name, value) => {
    view.filter[name] = value;
    changed();
  };
  $('search').addEventListener('input', (e) => set('q', e.target.value.trim()));
  $('filter-seen').addEventListener(
      'change', (e) => set('seen', e.target.checked));
  for (const [id, name] of [['filter-cause', 'cause'],
                            ['filter-upstream', 'only']]) {
    $(id).addEventListener('change', (e) => {
      set(name, e.target.value);
      load();
    });
  }
  $('clear').addEventListener('click', () => {
    const reload = isChosen(view.filter);
    view.filter = {q: '', cause: '', only: '', seen: false};
    $('search').value = '';
    $('filter-seen').checked = false;
    changed();
    $('search').focus();
    if (reload) {
      load();
    }
  });
  // Counts are spoken while somebody filters, not at every refresh.
  const filters = document.querySelector('.filters');
  for (const [type, live] of [['focusin', 'polite'], ['focusout', 'off']]) {
    filters.addEventListener(
        type, () => setAttribute($('event-count'), 'aria-live', live));
  }
}

function listenToLists() {
  for (const th of $('upstreams').tHead.rows[0].cells) {
    const {sort} = th.dataset;
    if (sort) {
      const sorter = button('', () => {
        view.sort = view.sort === sort ? '' : sort;
        changed();
      }, {class: 'sorter'});
      sorter.append(...th.childNodes);
      th.append(sorter);
    }
  }
  for (const [id, limit] of [['more-upstreams', 'upstreamsShown'],
                             ['more-cards', 'cardsShown']]) {
    $(id).addEventListener('click', () => {
      view[limit] = Infinity;
      renderAll();
    });
  }
  for (const node of document.querySelectorAll('[data-window]')) {
    node.addEventListener('click', () => {
      view.window = node.dataset.window;
      changed();
      load();
    });
  }
  new ResizeObserver(renderAll).observe($('strip'));
  $('more-events').addEventListener('click', () => {
    view.limit = Math.min(5 * view.limit, kLimitMax);
    load();
  });
}

function listenToFeed() {
  $('refresh').addEventListener('click', load);
  $('pause').addEventListener('click', () => {
    feed.paused = !feed.paused;
    setAttribute($('pause'), 'aria-pressed', String(feed.paused));
    follow();
    if (feed.paused) {
      schedule();
      renderFreshness();
    } else {
      load();
    }
  });
  document.addEventListener('visibilitychange', () => {
    follow();
    if (!document.hidden && !feed.paused) {
      load();
    }
  });
  window.addEventListener('hashchange', () => {
    readHash();
    renderAll();
    goToTarget();
    load();
  });
  setInterval(() => {
    if (!document.hidden) {
      renderFreshness();
    }
  }, 1000);
}

document.addEventListener('DOMContentLoaded', () => {
  for (const link of document.querySelectorAll('a[data-format]')) {
    const params = new URLSearchParams(location.search);
    params.set('format', link.dataset.format);
    link.href = `?${params}`;
  }
  readHash();
  listenToChart();
  listenToFilters();
  listenToLists();
  listenToFeed();
  accept(JSON.parse(partOf(document, 'data')));
  follow();
  if (isChosen(view.filter) || view.window !== '1h' || !hasHour(feed.data)) {
    load();
  } else {
    schedule();
  }
});
