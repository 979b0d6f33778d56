"""A page that is open somewhere does not keep the site from stopping."""

import signal

from tests.process.running import Up


def test_open_pages_do_not_hold_up_the_end_of_the_site(site):
    session = site.session()
    with Up(site.directory / "home", environment=site.environment) as up:
        browser = up.wait_until_ready().log_in()
        stream = browser.open(up.url(f"/admin/sessions_app/session/{session}/events/"), timeout=30)
        assert stream.readline() == b": following\n"
        up.stop(signal.SIGINT)
        assert stream.read().endswith(b"\n\n")
        assert "graceful" not in up.text() and "Traceback" not in up.text()
