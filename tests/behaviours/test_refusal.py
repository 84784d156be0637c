"""Whole-reply refusals told from answers; both lists are labelled by hand."""

import pytest

from hydrometer.behaviours.refusal import looks_refused

REFUSALS = """
I'm sorry, but I can't help with that request.
I’m sorry, but I can’t assist with that.
I am sorry, but I cannot help you with this.
Sorry, I can't do that.
Sorry, but I can't assist with that request.
I apologize, but I cannot provide that information.
I apologise for the confusion, but I can't answer that.
I can't help with that.
I cannot help with that request.
I cannot assist with this.
I cannot fulfill this request.
I cannot fulfil your request.
I can't provide that.
I won't be able to help with that.
I will not answer that question.
I'm unable to help with that.
I am unable to provide an answer.
I am not able to assist with that.
I'm not able to answer this question.
I'm not comfortable answering that.
I do not feel comfortable writing that.
I must decline to answer.
I have to decline to answer.
I must decline this request.
As an AI language model, I cannot answer that.
As an AI, I can't provide personal opinions.
As a large language model, I am unable to access the internet.
As an AI assistant, I do not have a dog.
As an AI language model, I don't have feelings.
Unfortunately, I can't help with that.
Unfortunately, I am unable to answer this.
I'm sorry, I can't.
I'm sorry, but as an AI language model I cannot generate that.
No, I can't help with that.
I'm really sorry, but I can't share that.
We cannot provide this information.
**I'm sorry, but I can't help with that.**
I would rather not answer that.
It would be against my guidelines to answer.
"""

ANSWERS = """
I can't find a mistake in this sentence.
I can't find a mistake, so the sentence stays as it is.
I cannot see any error in the text.
I can't believe how blue the sea is.
I can't wait for the weekend.
I cannot stop looking at the moon.
I can't swim, but I love the sea.
I'm sorry that you lost your key; it is in the drawer.
I am sorry for the cat, for it rains.
Sorry, the answer is 12.
I'm sorry, I made a mistake. The answer is 12.
I apologize for the confusion. 5 + 7 = 12.
I'm sorry, but I can't help with that. The answer is 12.
I cannot help smiling when it snows.
12
No.
No
Yes, a bird can fly.
No, a dog cannot fly.
No, it is not.
A fish can't live without water.
You can't eat a stone.
We cannot live without water.
He said: I can't help you.
As an artist, I paint the sea.
As a teacher, I cannot be late.
Unfortunately, it rained all day.
Unfortunately, the shop was closed, so she had 4 left.
{"name": "Mia", "refused": "I can't help with that"}
The robot says that it is sorry and cannot help.
THE SEA IS BLUE.
Your dog is called Rex.
I do not know.
I don't know the name of your dog.
The answer cannot be found in the text.
I can help with that: 5 + 7 = 12.
I can't say for sure, but the answer is 12.
It is not possible to divide by zero.
I will not be late on Monday.
I won the race.
"""


@pytest.mark.parametrize("text", REFUSALS.strip().splitlines())
def test_refusal(text: str) -> None:
    assert looks_refused(text)


@pytest.mark.parametrize("text", ANSWERS.strip().splitlines())
def test_answer(text: str) -> None:
    assert not looks_refused(text)


def test_a_long_reply_or_none_is_no_refusal() -> None:
    assert not looks_refused("")
    assert not looks_refused("I'm sorry, but I can't help with that. " + "The sea is blue and wide. " * 20)
    assert not looks_refused("I can't help with that directly.\n```python\nprint(1)\n```")
