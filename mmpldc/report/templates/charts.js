'use strict';
// Charts by uPlot: hover, zoom and the keyboard. Colours come from the page's style.
(() => {
  const data = JSON.parse(document.getElementById('report-data').textContent);
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const dashes = [[], [8, 4], [2, 3], [10, 3, 2, 3], [4, 4], [1, 4]];
  const borders = ['solid', 'dashed', 'dotted'];
  const drawn = [];

  const show = (value) => {
    if (value === null || value === undefined) return '-';
    const size = Math.abs(value);
    if (size !== 0 && (size < 0.001 || size >= 1e5)) return value.toExponential(2);
    return String(Number(value.toPrecision(4)));
  };

  const describe = (panel) => panel.title + '. ' + panel.series.map((series) => {
    const known = panel.steps.map((step, place) => [step, series.values[place]]).filter((pair) => pair[1] !== null);
    const [first, last] = [known[0], known[known.length - 1]];
    return `${series.name}: ${show(first[1])} at iteration ${first[0]}, ${show(last[1])} at ${last[0]}`;
  }).join('; ');

  const zoom = (plot, factor) => {
    const { min, max } = plot.scales.x;
    const steps = plot.data[0];
    const left = plot.cursor.left;
    const middle = left >= 0 ? plot.posToVal(left, 'x') : (min + max) / 2;
    plot.setScale('x', {
      min: Math.max(steps[0], middle - (middle - min) * factor),
      max: Math.min(steps[steps.length - 1], middle + (max - middle) * factor),
    });
  };
  const showAll = (plot) => {
    const steps = plot.data[0];
    plot.setScale('x', { min: steps[0], max: steps[steps.length - 1] });
  };
  const move = (plot, by) => {
    const steps = plot.data[0];
    const now = plot.cursor.idx ?? (by > 0 ? -1 : steps.length);
    const next = Math.min(steps.length - 1, Math.max(0, now + by));
    plot.setCursor({ left: plot.valToPos(steps[next], 'x'), top: plot.bbox.height / devicePixelRatio / 2 });
  };

  const drawMarks = (plot, marks) => {
    const { ctx, bbox } = plot;
    let shown = 0;
    for (const mark of marks) {
      const x = Math.round(plot.valToPos(mark.step, 'x', true));
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.save();
      ctx.strokeStyle = style(`--run${mark.run % 6}`);
      ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.restore();
      shown += 1;
    }
    plot.root.parentElement.dataset.marks = shown;
  };

  for (const panel of data.panels) {
    const figure = document.querySelector(`[data-panel="${panel.key}"]`);
    const place = figure.querySelector('.plot');
    const single = panel.steps.length === 1;
    const axis = () => ({
      stroke: () => style('--quiet'), grid: { stroke: () => style('--line'), width: 1 }, ticks: { stroke: () => style('--line') },
    });
    const plot = new uPlot({
      width: Math.max(200, place.clientWidth),
      height: 230,
      scales: { x: { time: false } },
      cursor: { sync: { key: 'iterations' }, points: { size: 7 }, drag: { x: true, y: false } },
      hooks: { draw: [(own) => drawMarks(own, panel.marks)], setScale: [(own, key) => { if (key === 'x') place.dataset.range = [own.scales.x.min, own.scales.x.max].map(Math.round).join(' to '); }] },
      legend: { live: true, markers: { dash: (_, place) => (place ? borders[panel.series[place - 1].dash % 3] : 'solid') } },
      axes: [
        { ...axis(), values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? tick.toLocaleString('en') : '')) },
        { ...axis(), size: (_, labels) => 20 + 7 * Math.max(4, ...(labels || []).map((label) => label.length)), values: (_, ticks) => ticks.map(show) },
      ],
      series: [
        { label: 'iteration', value: (_, value) => (value === null ? '-' : value.toLocaleString('en')) },
        ...panel.series.map((series) => ({
          label: series.name,
          stroke: () => style(`--run${series.run % 6}`),
          dash: dashes[series.dash % dashes.length],
          width: 2,
          spanGaps: true,
          points: { show: single || series.values.filter((value) => value !== null).length < 25, size: 5 },
          value: (_, value) => show(value),
        })),
      ],
    }, [panel.steps, ...panel.series.map((series) => series.values)], place);
    drawn.push(plot);
    place.setAttribute('aria-label', describe(panel));
    place.addEventListener('keydown', (event) => {
      const acts = {
        ArrowLeft: () => move(plot, -1), ArrowRight: () => move(plot, 1), '+': () => zoom(plot, 0.5), '=': () => zoom(plot, 0.5),
        '-': () => zoom(plot, 2), 0: () => showAll(plot), Escape: () => showAll(plot),
      };
      if (event.target === place && acts[event.key] && !event.ctrlKey && !event.metaKey) {
        event.preventDefault();
        acts[event.key]();
      }
    });
    figure.querySelector('.tools').addEventListener('click', (event) => {
      const act = event.target.dataset.act;
      if (act === 'all') showAll(plot);
      else if (act) zoom(plot, act === 'in' ? 0.5 : 2);
    });
    for (const name of place.querySelectorAll('.u-legend .u-series th')) {
      name.tabIndex = 0;
      name.setAttribute('role', 'button');
      name.addEventListener('keydown', (event) => {
        if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); name.click(); }
      });
    }
    new ResizeObserver(() => {
      const width = Math.max(200, place.clientWidth);
      if (width !== plot.width) plot.setSize({ width, height: 230 });
    }).observe(figure);
  }
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => drawn.forEach((plot) => {
    plot.redraw();
    plot.root.querySelectorAll('.u-legend .u-marker').forEach((marker, place) => {
      if (place) marker.style.borderColor = style(`--run${data.panels[drawn.indexOf(plot)].series[place - 1].run % 6}`);
    });
  }));
})();
