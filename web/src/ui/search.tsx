// SPDX-License-Identifier: GPL-3.0-or-later
import { Icon } from './icons';

interface Props {
    id: string;
    text: string;
    query: string;
    search(query: string): void;
    /** Goes to the first of what was found. */
    first(): void;
    enter(): void;
}

/** Arrow down goes into the list below, Enter takes its first, Escape leaves. */
export function Search({ id, text, query, search, first, enter }: Props) {
    return (
        <div class="search">
            <Icon name="search" />
            <input
                id={id}
                type="search"
                placeholder={text}
                aria-label={text}
                autocomplete="off"
                spellcheck={false}
                value={query}
                onInput={(event) => search(event.currentTarget.value)}
                onKeyDown={(event) => {
                    if (event.key === 'ArrowDown') {
                        event.preventDefault();
                        first();
                    } else if (event.key === 'Enter') enter();
                    else if (event.key === 'Escape') {
                        search('');
                        event.currentTarget.blur();
                    }
                }}
            />
        </div>
    );
}
