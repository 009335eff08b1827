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

	/* A search can be linked to: index.html?q=words. A narrow screen shows it when it is the target. */
	const asked = new URLSearchParams(location.search).get('q');
	if (asked) {
		input.value = asked;
		if (matchMedia('(max-width: 63.99rem)').matches)
			location.hash = 'contents';
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

	/*
	 * Where a word counts most; see site.lua. In the first entry of a page, which has no heading,
	 * that is its title; in the others it says little about the section.
	 */
	const ofPage = [[1, 150], [3, 1]];
	const ofSection = [[2, 100], [4, 60], [1, 20], [3, 1]];
	const fieldsOf = (entry) => entry[2] ? ofSection : ofPage;
	const has = (entry, n, text) => entry[n].toLowerCase().includes(text);

	/* One is looked for, many are found, too. */
	function singular(word) {
		return word.length > 4 && /[a-z]s$/.test(word) && !word.endsWith('ss') ? word.slice(0, -1) : word;
	}

	/* A word that stands for itself is more than a part of another. */
	function weight(entry, n, points, word) {
		const before = entry[n].toLowerCase().split(word)[0];
		return /\w$/.test(before) ? points / 2 : points;
	}

	function score(entry, asked) {
		const words = asked.map(singular);
		const text = entry[3].toLowerCase();
		let sum = 0;

		for (const word of words) {
			const best = fieldsOf(entry).find(([n]) => has(entry, n, word));
			if (!best)
				return named(entry, asked.join(' '));
			sum += weight(entry, best[0], best[1], word);
			sum += Math.min(text.split(word).length, 10);
		}
		/* A message that was pasted stands there letter by letter. */
		const message = asked.join(' ');
		const whole = fieldsOf(entry).find(([n]) => has(entry, n, message));
		sum += (whole ? whole[1] : 0) * words.length;
		sum += named(entry, message) * words.length;
		/* The lists of changes have everything, and explain it last. */
		return entry[0].includes('-diff.html') ? sum / 2 : sum;
	}

	/* A section is called like this, a term of the glossary for instance; or a page or its file is. */
	function named(entry, message) {
		const called = entry[2] ? [entry[2]] : [entry[1], entry[0].replace('.html', '').replaceAll('-', ' ')];
		const fits = called.some((name) => singular(name.toLowerCase()) === singular(message));
		return fits ? (entry[2] ? 200 : 400) : 0;
	}

	/* The text around the first word that is found in it, cut between words. */
	function excerpt(text, words) {
		const found = Math.max(0, text.toLowerCase().indexOf(singular(words[0])));
		const at = found < 40 ? 0 : text.lastIndexOf(' ', found - 30) + 1;
		const end = text.length < at + 140 ? text.length : text.lastIndexOf(' ', at + 140);
		const piece = document.createElement('small');

		piece.textContent = (at ? '… ' : '') + text.slice(at, end > at ? end : at + 140) + (end < text.length ? ' …' : '');
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
				const where = fieldsOf(entry).find(([n]) => has(entry, n, piece));
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
			list.append(Object.assign(document.createElement('li'), { textContent: 'No results for all of these words.' }));
			hits = ranked((entry) => longest(entry, words));
		}
		for (const hit of hits)
			list.append(item(hit[1], words));
	}
}());
