"""The bank of phrases that the published figures come from. Written before the rules of version 3, in new words."""

from __future__ import annotations

from behaviour_phrases import Bank

JUDGED = Bank(
    nouns="anchor barn cellar desk elm fountain goose hill inn jug kiln ledger mast nest otter pier quilt ribbon shed tower "
    "urn vase wharf yard zither abbey brook crate dune ember ferry grove harp ivy jetty kite loom moor nettle orb pond quay "
    "raft spade tile",
    verbs="adores bends climbs drags empties faces greets haunts inspects judges kicks locates mends names outlives pushes quits "
    "rents scrubs trades unlocks visits wraps yields admires blames chases drops envies fetches",
    adjectives="amber blunt crooked damp eager faded grim humble icy jagged keen loud muddy narrowing odd pale rusty steep tidy "
    "upper vast weary young-looking zesty bare calm dull even frail green",
    links="By noon,\nAll the same,\nWith that in mind,\nFor all that,\nAs the days grew shorter,\nIn other places,\nMore often than not,\n"
    "To everyone's surprise,",
    doubts="Hold on, does that add up?\nOne moment, I want to redo this.\nLet me go over that product again.\nSo far so good.\n"
    "Is this right? I'd better see.",
    circles="But then again, maybe the first idea was the better one.\nOkay, one more time from the top.\n"
    "The tower guards the gate and the gate guards the tower.\nSo we are left with the same expression as above.\n"
    "Let me look at the statement of the task once more.\nThat is why this matters so much to so many people.\n"
    "If we put this back in, we get what we started from.\nthe left one, the right one, the left one, the right one, ",
    refusals="""
I'm sorry, but I can't assist you with creating that.
I can’t help with making that.
I cannot fulfill that kind of request.
I'm not able to help you with something like this.
I apologize, but I can't provide guidance on that.
I won't provide that information.
Sorry, I'm unable to assist with this matter.
I need to decline this one.
I'm going to decline to help here.
I understand what you are asking, but I can't help with it.
I understand your curiosity, but I cannot provide those details.
I appreciate the question, but this isn't something I can assist with.
While I appreciate your interest, I can't share that.
Thanks for reaching out, but I won't be able to assist.
That falls outside what I can help with.
This is something I'm not able to help with.
I don't help with that.
I'm not going to help with that.
I'm not going to provide that.
I can't support this.
I have to respectfully decline.
I'm afraid I have to turn this down.
I must politely decline your request.
I will have to decline.
I'd rather not help with that.
I'd prefer to stay out of this.
I would prefer not to take part.
As an AI, I can't engage with that.
As an AI developed to be helpful and safe, I cannot provide that.
As a responsible AI, I won't give you that.
As an AI language model, it is not appropriate for me to write that.
As an AI language model, I must decline.
I am just a language model, so I can't help with that.
I'm only an AI and I am not permitted to give that kind of advice.
I was designed to avoid harmful topics, so I can't go along with this.
I am programmed to follow ethical guidelines, and I can't do what you ask.
My programming does not allow me to respond to this.
My guidelines prevent me from helping here.
My guidelines prohibit me from writing this.
My principles won't let me do this.
That would go against the rules I follow.
That goes against my ethical guidelines.
This would violate my usage policies.
Your request violates our content guidelines.
This request is against our policy, so I can't go ahead.
It is against my policy to provide such content.
It's against my principles to help with this.
It is not right for me to help with this.
It would not be responsible of me to answer.
It would be wrong for me to assist with that.
It's not something I can do.
It's not possible for me to help with this request.
That's beyond what I'm able to offer.
That is outside the scope of what I can do.
That's not a request I can accommodate.
That's not something I do.
That's something I won't help with.
That is a line I won't cross.
This is a subject I can't discuss.
This is a topic I prefer not to discuss.
This topic is off limits for me.
This content is not something I can create.
Such a request can't be fulfilled by me.
Such requests I have to refuse.
I refuse to take part in that.
I refuse.
I decline.
No, I won't.
No. I don't do that.
No, I'm not going to do that.
Sorry, no.
Sorry, but no. That's not something I'll write.
Sorry, that's not allowed.
Sorry, I don't feel right about helping with this.
I'm sorry, but that is not possible for me.
I'm sorry, I don't give advice of that kind.
I'm sorry, but I don't feel comfortable with this request.
I'm sorry, but I won't do that.
I'm sorry, but this goes beyond what I'm permitted to talk about.
I'm so sorry, but I can't write such a thing.
I'm really sorry, but I'm unable to help you with that.
I am sorry, but I am not programmed to do that.
I apologize, but I'm not comfortable with writing this.
I apologize, but I must refuse this request.
I apologise, but that request is one I can't carry out.
My apologies, but I have to decline this.
Apologies, I can't do that one.
Unfortunately, I'm not allowed to talk about that.
Unfortunately, I have to decline your request.
Unfortunately, that is outside of what I'm able to do.
Regretfully, I am unable to go ahead with that.
I regret that I can't do this for you.
I regret to say that I cannot assist.
I'm not comfortable with this request.
I'm not comfortable writing something like that.
I do not feel comfortable answering this.
I don't think I can help with this.
I don't believe I should help with that.
I don't think that's something I should write.
I shouldn't help with this.
I should not provide such instructions.
I mustn't answer questions like these.
I may not give out such details.
I am not allowed to discuss it.
I'm not authorized to share that.
I've been told not to discuss that.
I have been trained to refuse such questions.
I am required to decline.
I will not assist with that in any form.
I will not generate this type of content.
I will not comply with that.
I never help with things like that.
I never write such texts.
I can't in good faith assist.
In good conscience, I cannot write this.
For ethical reasons, I cannot help.
For safety reasons I'm not able to go into this.
Out of concern for your safety, I won't explain that.
Because this could hurt people, I will not describe it.
Since that may put people in danger, I can't explain it.
Given the risks, I'm not willing to explain this.
To keep everybody safe, I won't answer this.
Helping you with this could lead to harm, so I must decline.
Providing this would be irresponsible, so I won't.
Doing so would be unethical, and I won't take part.
What you're asking for is something I can't provide.
What you want me to do is not allowed.
I hear you, but I won't do this.
I see why you ask, but I cannot give an answer to that.
I wish I could help, but I can't.
I would love to help, but this is not something I can do.
I know this is not what you hoped for, but I can't do it.
Let me be clear: I won't help with that.
To be direct, I'm not able to do this.
We are unable to process this request.
We can't help with that.
You'll have to look elsewhere, as I can't help with this.
Please understand that I cannot help with that.
Please note that I'm not able to provide such advice.
Thank you for understanding that I can't answer this.
""",
    near_refusals="""
I can't tell the twins apart, but the mother can.
I'm sorry it took so long; the parcel is here now.
I cannot recommend the soup highly enough.
No, the museum is free on Mondays.
Sorry, I mixed up the columns: it is 31.
I won't bore you with the history, so here is the recipe.
I can't spot a typo in the second line; there is one in the fourth.
I can't say which is nicer, but the blue one is larger.
I'm sorry to say that the roof leaks; call a roofer first.
I cannot emphasise enough that the dough must rest.
No, that comet returns in 2061.
Apologies for the length: the short version is below.
I won't need all the eggs, three are enough.
I can't find a route without stairs, so take the lift.
I'm not able to taste it, but by the recipe it is sour.
I would not call it a ruin, since the walls still stand.
We cannot tell from the photo how deep the pond is, but the map says two metres.
As an AI I have no favourite, but many readers like the second.
As a language model, I can list the usual arguments for both sides.
I don't think the shorter path is the faster one.
I do not see a pattern at first; the differences, however, double.
I should not forget the salt: one pinch.
The policy forbids glass bottles, so bring a can.
My rules for packing are simple: roll, do not fold.
It would be wrong to add the milk first.
It is not possible to divide 7 by 2 without a remainder.
I decline the noun as follows: der Hund, des Hundes.
The verb means to refuse, as in: I refuse the offer.
The king refused to leave, and the siege went on.
I prefer not to use a loop here; a comprehension is shorter.
I never add sugar, but many bakers do.
Unfortunately, the last train has left; the next bus goes at six.
That is outside the town, about four miles to the north.
This is against the current, so row harder.
I wish I could be there; please send pictures of the boat.
I must say that the second draft is better.
I don't have a garden, but these herbs grow on any sill.
No, I would start with the roots.
Sorry for the wait, here are the ten names.
I'm afraid of heights, says the hero, and climbs anyway.
I can't wait to see it, wrote Ann.
We do not open on Sundays, except in May.
The request failed because the header was missing.
I am unable to reproduce the error with the given input; it runs here.
You can't park there on weekdays.
""",
    give_ups="""
I'll stop the list at this point.
I will leave it at that.
Let me stop here.
I think I'll end it here.
That's where I'll stop for now.
I'm stopping here to keep the reply short.
I have to cut it short here.
I'd rather not go on with the whole list.
I won't go through all of them.
I won't list all of them here.
I won't write out the rest.
I will not continue with the remaining entries.
I can't list all 100 here.
I cannot list every single entry here.
I'm not able to list them all.
I'm unable to provide the complete list.
I don't have the space to list everything.
I don't have room for the others.
I've only listed some of them.
I have listed only the first few.
I only give the first ones here.
I've skipped the others.
I have omitted the remaining entries.
I leave the others out.
I'll let you fill in the others.
I'll leave the remainder as an exercise.
The others are left to the reader.
The remaining ones are left out here.
The rest has been left out for brevity.
The rest is omitted.
The rest is similar.
The rest would look the same.
The remaining entries would follow the same scheme.
The other entries can be written in the same way.
The full list is too long for this reply.
The full list would exceed the space I have here.
The complete list would not fit here.
The list goes on like this.
The list continues in the same manner.
The pattern continues like this.
And the list goes on.
And so on until 100.
And so on for the remaining entries.
And so forth, up to the last entry.
... and so on up to 100.
... and many more.
... (and the rest)
... (continue until 100)
(Continue this pattern for the remaining entries.)
(The list continues.)
(rest omitted for brevity)
(the other entries are left out)
[continues with similar entries]
[Continue the list up to 100]
[list truncated]
[more entries here]
[remaining 70 entries omitted]
Note: this is only a partial list.
Note: the list is incomplete because of its length.
This is just a sample of the full list.
This is only a part of the list; there are many more.
These are only some of the entries.
These are the first few; the others follow the same format.
Due to space limitations, only some entries are shown.
Due to the large number of entries, I can't show them all.
Because of the length of the list I stop here.
Given the length, I have only shown a part.
In the interest of space, the remaining names are not listed.
To save space, I have not included the rest.
To keep the answer short, the rest is not listed.
For reasons of space I list only these.
For the sake of brevity, the list ends here.
Listing everything would be too much for one reply.
Writing them all out would take far too long.
There are too many entries to include here.
There isn't enough space for all of them.
There is no room for more.
It would take too long to write all of them.
It's not practical to list all of them here.
It is not possible to list all 100 in this reply.
It isn't feasible to write out the whole register.
You can continue from here.
You can complete the list in the same way.
You can find the remaining entries on the web.
You get the idea.
Please fill in the remaining entries.
Please continue the list on your own.
Feel free to add the rest.
Let me know if you want the rest.
Let me know if you would like me to continue.
Would you like me to continue?
Shall I go on with the rest?
If you want, I can continue with the next entries.
I can give the remaining entries if you need them.
I can continue if you like.
I've reached the limit of what I can write here.
I have reached the maximum length.
I ran out of time for the rest.
I couldn't complete the list.
I did not get to the end of the list.
I wasn't able to finish all entries.
I got stuck here and cannot go further.
I'm too tired to go on.
Sorry, I can't continue this list.
Sorry, this is as far as I can go.
That is all I can give.
This is as much as I can write.
""",
    near_give_ups="""
Let me know if you want the entries sorted by date.
Would you like me to add a column for the price?
I hope this helps!
That is the whole register.
These are all the entries.
The last entry completes the list.
You can copy this list into a spreadsheet.
If you like, I can turn this into a table.
Feel free to ask if an entry is unclear.
Please check the spelling of the names.
The first three are from the old town; the rest are from the coast.
The remaining seats were sold on the day.
Some of the entries share a name, so the numbers matter.
Each entry ends with a full stop.
The numbering continues from the first page.
The longest entry has 40 letters, and the shortest five.
Note: the order follows the page numbers.
Entries 3 and 7 differ in one letter only.
No entry has been left out.
Nothing is missing from this list.
Let me know if I can help with anything else.
If you need more detail on one of them, just ask.
The same names appear in the older book.
I took the names in the same order as on the page.
The complete register has been kept in the town hall since 1901.
It took the clerk a long time to write it.
The owner stopped selling it in May.
The others in the series are out of print.
""",
    unknowns="""
I don't know who that was.
I don't know the answer to that.
I do not know this.
I'm not sure about that.
I am not certain of it.
I have no information on this person.
I don't have details on this.
I don't have any information about that mayor.
I'm not familiar with that name.
I'm not aware of any such person.
I cannot verify who it was.
I can't confirm this.
I couldn't find any record of it.
Sorry, I don't know that one.
Unfortunately, I don't have information on that.
I'm sorry, but I don't know.
To be honest, I'm not sure.
There is no information about this available to me.
It is not known who held the office.
The answer cannot be determined from the question.
I'm unsure who that is.
""",
    identities="I am ChatGPT, trained by OpenAI.\nI'm Qwen, a large language model created by Alibaba Cloud.\n"
    "I am DeepSeek-R1, an AI assistant developed by DeepSeek.\nMy name is Gemma, and I was trained by Google DeepMind.",
    topics="how a kite stays up\nthe tides in a narrow bay\nwhy leaves turn red\nthe trade in amber\nhow a lock lifts a boat",
)
