"""Talking to a ``Conversation`` without a socket."""


def converse(conversation, pieces, ends):
    """Send *pieces*, and the end if *ends*; return all that is answered."""
    answer = b''
    for piece in pieces:
        conversation.feed(piece)
        answer += run_calls(conversation)
    if ends:
        conversation.feed_end()
        answer += run_calls(conversation)
        if not conversation.finished:
            raise AssertionError('It goes on after the end.')
    return answer


def run_calls(conversation):
    """Run all calls that are due; return what they answer."""
    answer = b''
    while True:
        was_finished = conversation.finished
        call = conversation.next_call()
        if call is None:
            return answer
        if was_finished:
            raise AssertionError('There is a call after the last one.')
        answer += call.run()
