// One training, epoch by epoch: loss and accuracy, drawn while it goes on. Where nothing trains it
// shows the last training that ended; before the first one the card stays away. With
// data-only="training" it is there only while a training goes on.

import { ChartCard } from "./dashboard_card.js";
import { count, hundredths, percent, rich, tick } from "./dashboard_format.js";
import { axis, wholeTicks } from "./dashboard_plot.js";
import { gettext, gettext_noop, interpolate, language } from "./i18n.js";

const FAST_MS = 2000;
const SLOW_MS = 10000; // nothing trains
const MOST_RULES = 10; // runs of an ensemble that are told apart by a rule
const LINE = { spanGaps: false, points: { show: false } };

const thousandths = (value) => value.toLocaleString(language, { minimumFractionDigits: 3, maximumFractionDigits: 3 });

/** A tick of the loss: as many digits as tell it from the next one. */
const lossTick = (value, _at, all) => (all[1] - all[0] < 0.1 ? thousandths : hundredths)(value);

/** Where each row stands on the axis: the epochs of one run after those of the run before. */
function places(rows) {
  let before = 0;
  return rows.map(([run, epoch], at) => {
    if (at && run !== rows[at - 1][0]) before += rows[at - 1][1];
    return before + epoch;
  });
}

/** The rows with their places, and a gap before each run but the first. */
function laidOut(rows) {
  const x = places(rows);
  return rows.flatMap((row, at) => {
    const mine = [x[at], ...row];
    return at && row[0] !== rows[at - 1][0] ? [[x[at] - 0.5, row[0], null, null, null], mine] : [mine];
  });
}

/** The place of each gap, with the number of the run that begins there. */
const starts = (all) => all.flatMap(([x, run, epoch]) => (epoch === null ? [[x, run]] : []));

function axes(theme) {
  const right = axis(theme, { scale: "a", side: 1, size: 52, label: gettext("accuracy (solid)"), format: tick });
  return [
    axis(theme, { scale: "x", side: 2, size: 34, label: gettext("epoch"), format: count, ticks: wholeTicks }),
    axis(theme, { scale: "y", side: 3, size: 52, label: gettext("loss (dashed)"), format: lossTick }),
    { ...right, grid: { show: false } },
  ];
}

const epochs = {
  empty(data) {
    if (data.rows?.length) return "";
    return data.state === "training" ? gettext("The first epoch has not ended yet.") : gettext("This training kept no figures of its epochs.");
  },

  spec(data, theme) {
    const all = laidOut(data.rows);
    const [x, , , loss, accuracy] = [0, 1, 2, 3, 4].map((column) => all.map((row) => row[column]));
    const last = all.length - 1;
    return {
      rows: [x, loss, accuracy],
      plot: {
        padding: [14, 8, 0, 0],
        series: [
          {},
          { ...LINE, scale: "y", stroke: theme.muted, width: 2, dash: [6, 3] },
          { ...LINE, scale: "a", stroke: theme.fg, width: 2.25 },
        ],
        scales: {
          x: { time: false, range: [x[0], Math.max(x[last], x[0] + 1)] },
          y: { range: [0, Math.max(...loss, 0.05) * 1.15] },
          a: { range: [0, 1.15] },
        },
        axes: axes(theme),
      },
      draw(pen) {
        const rules = starts(all);
        if (rules.length <= MOST_RULES) {
          for (const [place, run] of rules) pen.upright(place, interpolate(gettext("network %(n)s"), { n: run }), theme.muted);
        }
      },
      readout(index) {
        const at = index ?? last;
        const [, run, epoch, lost, right] = all[at][2] === null ? all[at + 1] : all[at];
        const values = { epoch: count(epoch), loss: thousandths(lost), accuracy: percent(right), run, runs: data.runs };
        if (data.runs > 1) {
          return rich(gettext("<b>Epoch %(epoch)s of network %(run)s of %(runs)s:</b> loss %(loss)s, accuracy %(accuracy)s."), values);
        }
        return rich(gettext("<b>Epoch %(epoch)s:</b> loss %(loss)s, accuracy %(accuracy)s."), values);
      },
    };
  },

  table(data) {
    return {
      head: [gettext_noop("network"), gettext_noop("epoch"), gettext_noop("loss"), gettext_noop("accuracy")],
      rows: data.rows,
    };
  },
};

const root = document.getElementById("training-curve");
const card = new ChartCard(root.querySelector("[data-chart]"), epochs, `${root.dataset.project}-epochs`);
let shown = "";
let state = "none";
let timer = 0;

function receive(data) {
  shown = data.version;
  state = data.state;
  root.hidden = state === "none" || (root.dataset.only === "training" && state !== "training");
  if (root.hidden) return;
  const says = root.querySelector("[data-says]");
  if (says && says.textContent !== data.says) says.textContent = data.says;
  card.update(data);
}

async function look() {
  clearTimeout(timer);
  try {
    const answer = await fetch(`${root.dataset.url}?shown=${encodeURIComponent(shown)}`);
    if (answer.redirected || answer.status === 403 || answer.status === 404) return; // not ours any more
    if (answer.status === 200) receive(await answer.json());
  } catch {
    // no connection: the next time
  }
  plan();
}

function plan() {
  clearTimeout(timer);
  timer = setTimeout(() => (document.hidden ? plan() : look()), state === "training" ? FAST_MS : SLOW_MS);
}

document.addEventListener("visibilitychange", () => document.hidden || look());
document.addEventListener("projectevents", () => state === "training" || look()); // a page that hears of news
look();
