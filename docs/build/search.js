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

	/* Every word counts: most in a heading, then in a title, then in the text. */
	function score(entry, words) {
		const where = [entry[2].toLowerCase(), entry[1].toLowerCase(), entry[3].toLowerCase()];
		let sum = 0;

		for (const word of words) {
			const best = where.findIndex((text) => text.includes(word));
			if (best < 0)
				return 0;
			sum += [100, 30, 1][best];
			sum += Math.min(where[2].split(word).length, 10);
		}
		return sum;
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

	function show() {
		const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);

		list.textContent = '';
		if (!words.length || !window.searchIndex)
			return;
		const hits = window.searchIndex
			.map((entry) => [score(entry, words), entry])
			.filter((hit) => hit[0] > 0)
			.sort((a, b) => b[0] - a[0])
			.slice(0, most);
		for (const hit of hits)
			list.append(item(hit[1], words));
		if (!hits.length)
			list.append(Object.assign(document.createElement('li'), { textContent: 'Nothing has all of these words.' }));
	}
}());
