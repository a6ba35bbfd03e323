'use strict';
// Galleries: cards with an image and masks on it, filters, and a large view. Text is set as text, never as HTML.
(() => {
  const data = JSON.parse(document.getElementById('report-data').textContent);
  const SVG = 'http://www.w3.org/2000/svg';
  const large = document.getElementById('large');
  const tip = document.getElementById('tip');

  const make = (name, attributes = {}, ...children) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };
  const draw = (name, attributes) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };

  // One decoded image for all views of a card, made when the card comes near the screen.
  const addresses = new Map();
  const address = (picture) => {
    if (!addresses.has(picture)) {
      const [head, body] = picture.data.split(',');
      const bytes = Uint8Array.from(atob(body), (letter) => letter.charCodeAt(0));
      const type = head.slice(5).split(';')[0];
      addresses.set(picture, URL.createObjectURL(new Blob([bytes], { type })));
    }
    return addresses.get(picture);
  };

  const view = (gallery, picture, one) => {
    const isSolid = (shape) => (gallery.key === 'validation' ? shape.kind !== 'missed' : ['kept', 'corrected'].includes(shape.kind));
    const isNamed = (shape) => shape.path && (gallery.key === 'validation' || isSolid(shape));
    const listed = one.shapes.map((shape) => shape.text).join('; ');
    const image = make('img', {
      alt: `${picture.name}, ${one.title}: ${listed || 'nothing'}`, width: picture.width, height: picture.height, decoding: 'async',
    });
    const layer = draw('svg', { viewBox: `0 0 ${picture.width} ${picture.height}`, 'aria-hidden': 'true' });
    const group = draw('g', { transform: 'translate(0.5 0.5)' });
    layer.append(group);
    layer.style.setProperty('--fill', Math.min(0.25, 1 / one.shapes.length)); // many masks must not hide the image
    for (const shape of [...one.shapes].reverse()) { // the best on top
      if (!shape.path) continue;
      const path = draw('path', { d: shape.path, 'data-kind': shape.kind, 'data-text': shape.text, 'data-name': shape.name });
      if (!isSolid(shape)) path.classList.add('dashed');
      group.append(path);
    }
    const taken = [];
    for (const shape of one.shapes) {
      if (!isNamed(shape)) continue;
      const width = 8 * shape.name.length;
      const x = Math.max(3, Math.min(shape.x + 3, picture.width - 3 - width));
      const y = Math.max(13, shape.y + 13);
      if (taken.some((box) => x < box.x + box.width && box.x < x + width && Math.abs(y - box.y) < 13)) continue;
      taken.push({ x, y, width });
      const text = draw('text', { x, y, 'data-kind': shape.kind, 'data-name': shape.name });
      text.textContent = shape.name;
      group.append(text);
    }
    return make('figure', { class: 'view' }, make('figcaption', { title: one.title }, one.title), make('div', { class: 'frame' }, image, layer));
  };

  const fill = (card, picture) => {
    for (const image of card.querySelectorAll('img')) if (!image.src) image.src = address(picture);
  };

  document.addEventListener('pointermove', (event) => {
    const text = event.target instanceof SVGElement ? event.target.dataset.text : undefined;
    tip.hidden = !text;
    if (!text) return;
    tip.textContent = text;
    tip.style.left = `${Math.min(event.clientX + 12, innerWidth - tip.offsetWidth - 8)}px`;
    tip.style.top = `${Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8)}px`;
  });

  for (const gallery of data.galleries) {
    const section = document.querySelector(`[data-gallery="${gallery.key}"]`);
    const cards = section.querySelector('.cards');
    const filters = Object.fromEntries([...section.querySelectorAll('[data-filter]')].map((field) => [field.dataset.filter, field]));
    const count = section.querySelector('output');
    const views = gallery.pictures.length ? gallery.pictures[0].views.length : 1;
    cards.style.setProperty('--card-width', `${views === 1 ? 250 : Math.min(1200, 190 * views)}px`);
    let shown = [];

    const entries = gallery.pictures.map((picture) => {
      const open = make('button', { class: 'open', type: 'button', 'aria-label': `Enlarge ${picture.name}` },
        make('div', { class: 'views' }, ...picture.views.map((one) => view(gallery, picture, one))));
      const card = make('article', { class: 'card' }, open, make('p', {}, picture.name, make('br'), make('span', {}, picture.summary)));
      const entry = { picture, card };
      open.addEventListener('click', () => enlarge(entry));
      return entry;
    });
    const near = new IntersectionObserver((seen) => {
      for (const one of seen) {
        if (!one.isIntersecting) continue;
        near.unobserve(one.target);
        fill(one.target, entries.find((entry) => entry.card === one.target).picture);
      }
    }, { rootMargin: '800px' });
    entries.forEach((entry) => near.observe(entry.card));

    const matches = (shape) => {
      const [name, kind] = [filters.name.value, filters.kind.value];
      return (!name || shape.name === name) && (!kind || shape.kind === kind);
    };
    const dim = (element) => {
      const filtered = filters.name.value || filters.kind.value;
      for (const part of element.querySelectorAll('path, svg text')) {
        part.classList.toggle('dim', Boolean(filtered) && !matches({ name: part.dataset.name, kind: part.dataset.kind }));
      }
    };
    const orders = {
      rank: (one, other) => one.picture.rank - other.picture.rank,
      '-rank': (one, other) => other.picture.rank - one.picture.rank,
      file: (one, other) => one.picture.name.localeCompare(other.picture.name),
    };
    const apply = () => {
      const wanted = [...entries].sort(orders[filters.order ? filters.order.value : 'rank']);
      shown = wanted.filter((entry) => !(filters.name.value || filters.kind.value)
        || entry.picture.views.some((one) => one.shapes.some(matches)));
      for (const entry of entries) entry.card.hidden = !shown.includes(entry);
      cards.replaceChildren(...wanted.map((entry) => entry.card));
      entries.forEach((entry) => dim(entry.card));
      for (const element of [cards, large]) {
        element.classList.toggle('no-masks', !filters.masks.checked);
        element.classList.toggle('no-names', !filters.names.checked);
      }
      count.textContent = `${shown.length} of ${entries.length} images`;
    };
    section.querySelector('form').addEventListener('change', apply);
    section.querySelector('form').addEventListener('submit', (event) => event.preventDefault());

    const enlarge = (entry) => {
      const place = shown.indexOf(entry);
      const step = (by) => {
        const next = shown[(place + by + shown.length) % shown.length];
        if (next) enlarge(next);
      };
      const button = (text, act) => {
        const element = make('button', { type: 'button' }, text);
        element.addEventListener('click', act);
        return element;
      };
      const parts = entry.picture.views.map((one) => {
        const figure = view(gallery, entry.picture, one);
        figure.append(make('ul', {}, ...one.shapes.map((shape) => make('li', {}, make('i', { class: 'swatch', 'data-kind': shape.kind }), shape.text))));
        return figure;
      });
      large.replaceChildren(
        make('div', { class: 'bar-top' }, make('strong', {}, entry.picture.name), button('Previous', () => step(-1)), button('Next', () => step(1)), button('Close', () => large.close())),
        make('div', { class: 'views' }, ...parts));
      large.classList.toggle('no-masks', !filters.masks.checked);
      large.classList.toggle('no-names', !filters.names.checked);
      dim(large);
      fill(large, entry.picture);
      large.onkeydown = (event) => {
        if (event.key === 'ArrowLeft') step(-1);
        if (event.key === 'ArrowRight') step(1);
      };
      large.onclose = () => entry.card.querySelector('.open').focus();
      if (!large.open) large.showModal();
      large.focus(); // what had the focus is gone, and keys go to it
    };
    // Cards off the screen are not laid out: an estimate of their height keeps the scroll bar steady.
    new ResizeObserver(() => {
      const first = cards.querySelector('.card:not([hidden])');
      if (!first) return;
      first.style.contentVisibility = 'visible';
      cards.style.setProperty('--card-height', `${first.offsetHeight}px`);
      first.style.contentVisibility = '';
    }).observe(cards);
    apply();
  }
})();
