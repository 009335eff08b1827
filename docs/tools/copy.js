/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A button behind each command of a transcript: it copies what is to be typed, without the
 * prompt. A command that goes on in the next line has an empty prompt there.
 */
(function () {
	'use strict';

	if (!navigator.clipboard)
		return;

	function label(command) {
		return 'Copy ' + command.split('\n')[0];
	}

	function button(lines) {
		const made = document.createElement('button');
		const command = lines.map((line) => line.textContent).join('\n');

		made.type = 'button';
		made.className = 'copy';
		made.textContent = 'copy';
		made.setAttribute('aria-label', label(command));
		made.dataset.copies = command;
		made.addEventListener('click', function () {
			navigator.clipboard.writeText(command).then(function () {
				made.textContent = 'copied';
				setTimeout(() => { made.textContent = 'copy'; }, 2000);
			});
		});
		return made;
	}

	for (const box of document.querySelectorAll('pre.transcript code')) {
		const commands = [];

		for (const typed of box.querySelectorAll('.typed')) {
			if (typed.previousElementSibling.textContent)
				commands.push([]);
			commands[commands.length - 1].push(typed);
		}
		for (const lines of commands)
			lines[lines.length - 1].after(button(lines));
	}
}());
