// SPDX-License-Identifier: GPL-3.0-or-later
import { keepToken, token } from '../core/api';
import { link, start } from '../core/store';

/** The page of those who came without the link, or with an old one. */
export function Onboard() {
    const known = token() !== '';
    return (
        <main class="onboard">
            <h1 class="wordmark">timbred</h1>
            <p class={known ? 'bad' : ''} role={known ? 'alert' : undefined}>
                {known
                    ? 'This token is not known (any more).'
                    : 'This panel needs the token that the device printed when it was started.'}
            </p>
            <p>
                Scan the QR code again, open the printed link, or run <code>timbred url</code> on
                the device and paste the link or its token here.
            </p>
            <form
                onSubmit={(event) => {
                    event.preventDefault();
                    const text = String(
                        new FormData(event.currentTarget).get('token') ?? '',
                    ).trim();
                    keepToken(text.slice(text.lastIndexOf('#') + 1).replace(/^(token|t)=/, ''));
                    link.value = 'connecting';
                    void start();
                }}
            >
                <label>
                    Link or token
                    <input name="token" required autocomplete="off" spellcheck={false} autofocus />
                </label>
                <button type="submit" class="small primary">
                    Open
                </button>
            </form>
        </main>
    );
}
