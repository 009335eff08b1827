/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Search without a server. The index is a script, because a page that was opened
 * from a file may not fetch; it is loaded when somebody first wants to search.
 */
(function () {
	'use strict';

	const form = document.querySelector('.search');
	const input = document.getElementById('query');
	const list = document.getElementById('found');
	const root = document.body.dataset.root;
	const most = 20;
	let loading = false;

	if (!form)
		return;		/* a page of source code */
	form.hidden = false;
	form.addEventListener('submit', function (event) {
		event.preventDefault();
		const first = list.querySelector('a');
		if (first)
			first.click();
	});
	input.addEventListener('focus', load);
	input.addEventListener('input', show);
	document.addEventListener('keydown', function (event) {
		if (event.key === '/' && document.activeElement !== input) {
			event.preventDefault();
			input.focus();
		}
		if (event.key === 'Escape' && document.activeElement === input) {
			input.value = '';
			show();
			input.blur();
		}
	});

	/* A search can be linked to: index.html?q=words */
	const asked = new URLSearchParams(location.search).get('q');
	if (asked) {
		input.value = asked;
		load();
	}

	function load() {
		if (loading)
			return;
		loading = true;
		const script = document.createElement('script');
		script.src = root + 'search-index.js';
		script.onload = show;
		document.head.append(script);
	}

	/* Where a word counts most: a heading, a symptom, a title, the text; see site.lua. */
	const fields = [[2, 100], [4, 60], [1, 30], [3, 1]];

	function score(entry, words) {
		const text = entry[3].toLowerCase();
		let sum = 0;

		for (const word of words) {
			const best = fields.find(([n]) => entry[n].toLowerCase().includes(word));
			if (!best)
				return 0;
			sum += best[1];
			sum += Math.min(text.split(word).length, 10);
		}
		/* A message that was pasted stands there letter by letter. */
		const message = words.join(' ');
		const whole = fields.find(([n]) => entry[n].toLowerCase().includes(message));
		return sum + (whole ? whole[1] * words.length : 0);
	}

	/* The text around the first word that is found in it. */
	function excerpt(text, words) {
		const at = Math.max(0, text.toLowerCase().indexOf(words[0]) - 40);
		const piece = document.createElement('small');

		piece.textContent = (at ? '… ' : '') + text.slice(at, at + 140) + ' …';
		return piece;
	}

	function item(entry, words) {
		const li = document.createElement('li');
		const a = document.createElement('a');

		a.href = root + entry[0];
		a.textContent = entry[2] ? entry[1] + ': ' + entry[2] : entry[1];
		li.append(a, excerpt(entry[3], words));
		return li;
	}

	/* A line of a log, with times and names that no page has: the most words in a row. */
	function longest(entry, words) {
		let best = 0;

		for (let from = 0; from < words.length; from++)
			for (let to = words.length; to - from >= Math.max(best, 2); to--) {
				const piece = words.slice(from, to).join(' ');
				const where = fields.find(([n]) => entry[n].toLowerCase().includes(piece));
				if (where)
					best = Math.max(best, to - from + (where[1] > 1 ? 0.5 : 0));
			}
		return best;
	}

	function ranked(by) {
		return window.searchIndex
			.map((entry) => [by(entry), entry])
			.filter((hit) => hit[0] > 0)
			.sort((a, b) => b[0] - a[0])
			.slice(0, most);
	}

	function show() {
		const words = input.value.toLowerCase().replace(/[‘’]/g, "'").replace(/[“”]/g, '"').split(/\s+/).filter(Boolean);

		list.textContent = '';
		if (!words.length || !window.searchIndex)
			return;
		let hits = ranked((entry) => score(entry, words));
		if (!hits.length) {
			list.append(Object.assign(document.createElement('li'), { textContent: 'Nothing has all of these words.' }));
			hits = ranked((entry) => longest(entry, words));
		}
		for (const hit of hits)
			list.append(item(hit[1], words));
	}
}());
