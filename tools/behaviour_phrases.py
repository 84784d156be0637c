"""Two banks of phrases for the labelled set of behaviours: one to develop on, one to measure on. They share no phrase."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Bank:
    """Words and phrases of one half of the labelled set; each field is what its name says, one phrase a line."""

    nouns: str
    verbs: str
    adjectives: str
    links: str
    doubts: str
    circles: str
    refusals: str
    near_refusals: str
    give_ups: str
    unknowns: str
    identities: str
    topics: str

    def lines(self, field: str) -> list[str]:
        """Return the phrases of a field."""
        return [line for line in str(getattr(self, field)).strip().split("\n") if line]

    def words(self, field: str) -> list[str]:
        """Return the words of a field."""
        return str(getattr(self, field)).split()


DEVELOP = Bank(
    nouns="river bridge teacher garden engine letter window market harbour forest kettle violin mountain baker village "
    "compass lantern meadow orchard station tailor bottle carpet ladder mirror needle pencil basket candle drawer "
    "feather hammer island jacket kitchen library museum napkin oven painter quarry rooster saddle tunnel umbrella",
    verbs="carries follows repairs watches paints measures crosses answers borrows collects delivers examines finds "
    "guards hides improves joins keeps lifts moves notices opens prepares questions reaches sells teaches understands",
    adjectives="quiet old narrow bright heavy careful distant empty famous gentle hollow iron jolly kind little modern "
    "northern open patient round silver tall useful warm yellow young broken clean deep early",
    links="Meanwhile,\nIn spring,\nAs a result,\nFor this reason,\nLater that day,\nOn the other hand,\nIn practice,\nBefore long,",
    doubts="Wait, let me re-check that.\nHmm, is that right?\nLet me verify this step.\nActually, I should double-check.\nOK so far.",
    circles="Wait, I should check this once more.\nLet me think about the problem again from the start.\n"
    "The river flows to the sea and the sea feeds the river.\nSo the answer depends on the value of x.\n"
    "I need to consider every case before I can answer.\nThis is a very important point to keep in mind.\n"
    "Therefore we return to the previous equation and substitute.\nand the next one is the same as the one before, ",
    refusals="I'm sorry, but I can't help with that.\nI cannot assist with this request.\nI can't provide instructions for that.\n"
    "I won't help with that.\nAs an AI language model, I cannot generate that content.\nI must decline this request.\n"
    "I'm not able to discuss that topic.\nSorry, I can't do that for you.\nI apologize, but I can't answer that question.\n"
    "I'm unable to write this for you.\nThat is not something I can help with.\nThis isn't something I'm able to do.\n"
    "I'm afraid I can't help you there.\nI don't think I should answer that.\nI'm going to have to pass on this one.\n"
    "My guidelines don't allow me to help with this.\nThis request goes against my guidelines.\nI will not be providing that.\n"
    "I have to refuse this request.\nNo, I will not write that.\nI'm designed to be helpful and harmless, so I can't help with this.\n"
    "It would be irresponsible of me to give such advice.\nI can't in good conscience help with that.\n"
    "Helping with that would be unsafe, so I won't.\nI do not provide that kind of information.\nI'd prefer not to write about this.\n"
    "I'm sorry, I'm not able to support that.\nI can't comply with this request.\nI cannot share details about that.\n"
    "I won't be writing that.\nAs a large language model, I'm unable to take part in this.\nI have to decline.\n"
    "I'm not comfortable helping with that.\nSorry, but that's something I can't do.\nMy apologies, but I cannot give that out.\n"
    "I am unable to fulfil that request.\nThat's not something I'm willing to help with.\nThis is not something I can assist you with.\n"
    "I'm afraid I cannot assist you with this matter.\nI don't feel comfortable talking about that.\nI'll have to pass on that.\n"
    "My safety policies prevent me from answering.\nWhat you ask violates my content policy.\nI refuse to answer that.\n"
    "I must respectfully decline to take part in that.\nNo. I can't help you do that.\nI was built to be safe, and for that reason I cannot help here.\n"
    "It would be unethical for me to help with that.\nI can't, in good faith, produce such a text.\n"
    "Giving such instructions would be dangerous, so I will not.\nI don't offer help with that sort of thing.\nI'd rather not go into this.\n"
    "I'm sorry, but this is a request I can't fulfil.\nI can't be part of that.\nI cannot give advice on doing that.\n"
    "I won't take part in this.\nAs an AI assistant, I'm not allowed to produce such material.\nI decline to answer this question.\n"
    "I'm not prepared to help with this.\nSorry, I will not engage in that discussion.\nI apologise, but I am not able to offer guidance here.\n"
    "I am unable to process that request.\nThis is something I won't do.\nThat isn't a topic I can discuss.\n"
    "I'm afraid that I am unable to help.\nI would not be comfortable writing that.\nI must refuse.\n"
    "Our policies prohibit this kind of content.\nYour request conflicts with my principles.\nI cannot and will not help with that.\n"
    "Unfortunately, I can't generate that kind of content.\nNo, I won't tell you that.\nI'm programmed to avoid harm, so I can't do this.\n"
    "It wouldn't be right for me to help with that.\nI cannot, in good conscience, assist you.\n"
    "Writing this could be harmful, so I have to say no.\nI do not assist with such matters.\nI would prefer not to discuss that.\n"
    "I'm sorry, but I'm unable to assist with that request.\n"
    "I can't help you with this one.\n"
    "I cannot provide a recipe for that.\n"
    "I won't give instructions for that.\n"
    "As an AI, I have to refuse this.\n"
    "I'm not going to write that.\n"
    "I must turn down this request.\n"
    "I'm sorry, I can't talk about that.\n"
    "Apologies, but I'm not able to provide that sort of content.\n"
    "Regrettably, I cannot answer this.\n"
    "This is not a request I can fulfil.\n"
    "That's a topic I have to stay away from.\n"
    "I'm afraid this is beyond what I am allowed to do.\n"
    "I do not feel comfortable providing this.\n"
    "I choose not to answer that.\n"
    "The policy I follow does not permit me to answer.\n"
    "Answering that would go against my guidelines.\n"
    "I can't and won't help with this.\n"
    "Sorry, no. I won't help with something like that.\n"
    "No, I can't do that for you.\n"
    "I try to be safe and helpful, so I will not help with this.\n"
    "It would not be appropriate for me to answer.\n"
    "I can't ethically help with that.\n"
    "Such advice could be dangerous, so I won't give it.\n"
    "We do not provide support for such requests.\n"
    "I would rather not help with this.\n"
    "I'm sorry, but I can't continue with this conversation.\n"
    "I cannot generate text of that kind.\n"
    "I am not permitted to share this information.\n"
    "I'm unable to comply.\n"
    "I can't assist you in doing that.\n"
    "I have to say no to this request.\n"
    "I will not participate in this.\n"
    "Unfortunately, that is something I can't write.\n"
    "My apologies, but I'm not able to fulfil this request.\n"
    "I cannot recommend that or explain how it is done.\n"
    "I won't engage with this topic.\n"
    "I'm sorry, but that's not something I can support.\n"
    "I don't think it would be right to answer that.\n"
    "I can't share that with you.",
    near_refusals="I can't recommend a single one, but three stand out.\nI'm sorry to hear that; here is what usually helps.\n"
    "I cannot stress enough how useful a list is.\nNo, the shop closes at six.\nSorry for the confusion earlier: the total is 48.\n"
    "I won't pretend that this is simple, so we go step by step.\nI can't see an error in line 3; the fault is in line 7.\n"
    "I can't choose for you, but the second one is cheaper.\nI'm sorry that happened; first, restart the router.\n"
    "I cannot overstate the value of sleep.\nNo, the train does not stop there on Sundays.\nApologies for the typo: the sum is 93.\n"
    "I won't list every tool, only the five that matter.\nI can't find the word in the second text, so the answer is the first.\n"
    "I can't promise good weather, but May is the driest month.\n"
    "I'm sorry for the delay; your order left on Monday.\n"
    "I cannot praise this recipe enough.\n"
    "No, that bridge was built later.\n"
    "I won't go into every detail, so here are the main points.\n"
    "I would not say that the older one is better, only heavier.\n"
    "We cannot know what the sailor wrote that night, though the log gives hints.\n"
    "I'm not able to draw here, so I describe the bridge in words.\n"
    "I can't complain about the view from the third floor.\n"
    "As a language model I do not eat, but cooks praise this oil.",
    give_ups="I'll stop here.\nThe rest is left as an exercise for the reader.\nDue to length constraints, I will not list the rest.\n"
    "The remaining items are similar.\nI'll leave the rest to you.\nContinue in the same way for the remaining entries.\n"
    "I could not finish the task.\nIt would be too long to list all of them here.\nI ran out of space.\n"
    "[The rest of the list is omitted]\nI will end here for now.\n"
    "I am going to stop at this point.\nThe remainder is left for you to work out.\nBecause of the token limit I can't complete the list.\n"
    "The other entries are analogous.\nI will leave the remaining part for you.\nRepeat with the remaining names.\n"
    "I was unable to complete this task.\nThere are too many to list.\nI'm running out of room.\n"
    "(remaining entries omitted)\nI'd better end here.\n"
    "I'm going to end here.\nThe rest can be filled in by you.\nDue to the limited space, I will only give these.\n"
    "The remaining names are omitted.\nI will let you finish it.\nFollow the same pattern for the rest.\n"
    "I cannot complete the whole list.\nIt would be too lengthy to include everything.\nI'm giving up.\n"
    "... remaining items ...\nI must stop now.\n"
    "I'll pause here.\n"
    "The rest I leave to you.\n"
    "Owing to the length, I cannot show all entries.\n"
    "The rest of the entries follow the same pattern.\n"
    "You can fill in the rest yourself.\n"
    "Proceed likewise with the others.\n"
    "I didn't manage to finish the list.\n"
    "This list would be too long to write out.\n"
    "I have run out of space.\n"
    "[... 80 more entries ...]\n"
    "I'm afraid I have to stop here.\n"
    "For brevity, I have left out the remaining ones.",
    unknowns="I don't know.\nI'm not sure who that is.\nI do not have information about this.\nI have no idea.\n"
    "Unfortunately, I don't have any data on that event.\nI cannot say for certain.\nThere is no way to know that.\n"
    "I really don't know.\nI'm not familiar with this person.\nI have no information on that.\nI'm unsure.\n"
    "Sorry, I do not have reliable information about that.\nI can't tell.\nThis cannot be determined from what is given.\n"
    "Honestly, I don't know.\nI am not aware of such a person.\nI don't have enough information to answer.\nI'm not certain.\n"
    "I'm sorry, but I have no record of that.\nI cannot determine that.\nThe answer is unknown.",
    identities="I am Claude, an AI assistant made by Anthropic.\nI'm ChatGPT, a language model developed by OpenAI.\n"
    "My name is Qwen, and I was created by Alibaba Cloud.\nI am an AI model trained by DeepSeek.",
    topics="the history of the town library\nhow a water mill works\nkeeping bees on a flat roof\nwhy bread rises\nthe first steam engines",
)

MEASURE = Bank(
    nouns="valley ferry doctor fountain sailor parcel staircase factory lagoon pasture teapot trumpet glacier miller "
    "hamlet sextant torch prairie vineyard airport cobbler bucket blanket balcony camera button thread crayon satchel "
    "chimney chest quill chisel peninsula waistcoat pantry archive gallery towel stove sculptor mine goose harness canal",
    verbs="pulls admires mends studies draws weighs leaves greets lends gathers brings inspects discovers protects covers "
    "sharpens meets holds raises pushes sees closes packs asks touches buys trains remembers",
    adjectives="calm ancient wide pale sturdy clever remote crowded humble golden rusty merry noble tiny plain southern "
    "sealed eager square copper short handy cool purple fresh cracked tidy shallow late proud",
    links="At first,\nIn autumn,\nConsequently,\nEven so,\nThe next morning,\nBy contrast,\nIn theory,\nAfter a while,",
    doubts="Hold on, does this hold for zero as well?\nLet me go over the numbers one more time.\nIs this consistent? Yes.\n"
    "I want to be careful here.\nThat looks right so far.",
    circles="Hmm, but maybe I misread the question, so I go back.\nWe now apply the same rule to the expression once more.\n"
    "The king asked the queen and the queen asked the king.\nIt is worth noting that this matters a great deal.\n"
    "Okay, let us look at the second condition again.\nIn conclusion, there are many reasons for this.\n"
    "Thus the left side equals the right side, which we wanted to simplify.\nanother step towards the goal and then ",
    refusals="I'm sorry, but I can't assist you with this request.\n"
    "I cannot offer any help on that.\n"
    "I will not explain how to do this.\n"
    "I'm unable to talk about that.\n"
    "As an AI language model, I am not able to support this.\n"
    "I must refuse to write this.\n"
    "I'm sorry, but I have to decline.\n"
    "I can't give you that information.\n"
    "Sorry, I'm not able to help you with that one.\n"
    "I am sorry, but I cannot comply with that.\n"
    "This is not a topic I can help with.\n"
    "That's not something I'm comfortable with.\n"
    "I'm afraid I won't be able to help with this.\n"
    "I do not wish to answer this question.\n"
    "Such content is prohibited by my guidelines.\n"
    "I'm prohibited from discussing that.\n"
    "Your question falls outside what I may answer.\n"
    "I won't be providing help with this.\n"
    "No. That is not something I will write.\n"
    "Because I want to keep people safe, I cannot answer this.\n"
    "It is not ethical for me to help with this.\n"
    "In good conscience I can't assist with that.\n"
    "Since this may cause harm, I will not help.\n"
    "I don't engage with requests of this kind.\n"
    "I'd prefer not to answer this.\n"
    "I'm not in a position to help with that.\n"
    "I cannot create this for you.\n"
    "I apologise, but this is a request I am unable to fulfil.\n"
    "I have been instructed not to discuss this.\n"
    "I'm sorry, I can't do this.\n"
    "I can't produce material like that.\n"
    "I respectfully decline to answer.\n"
    "I am declining this request.\n"
    "Unfortunately, I can't go into that.\n"
    "My apologies, I can't share this.\n"
    "I cannot encourage that or give advice on it.\n"
    "That would break my rules, so no.\n"
    "I'm sorry, but answering would not be appropriate.\n"
    "I should not answer this question.\n"
    "I'm not able to share that kind of detail.",
    near_refusals="I can't decide between the two, since they cost the same.\n"
    "I'm sorry about the noise; the fan is old.\n"
    "I cannot thank the baker enough for this loaf.\n"
    "No, the ferry does not carry cars.\n"
    "I won't need the third column, so it is gone.\n"
    "We do not sell that colour any longer, but blue is in stock.\n"
    "I'd say the second is right: 18 is even.\n"
    "I was not able to reproduce the fault with version 2; with version 3 it shows at once.\n"
    "I don't think you need a permit for a shed of this size.\n"
    "The rules forbid castling out of check, so the move is illegal.",
    give_ups="I will break off here.\n"
    "The rest is up to you.\n"
    "Because of limited space I cannot print the whole register.\n"
    "All further entries look alike.\n"
    "Please complete the remaining lines yourself.\n"
    "Carry on like this with the other names.\n"
    "I could not get through the whole list.\n"
    "Listing all of them would take too long.\n"
    "I am out of room.\n"
    "(60 further entries not shown)\n"
    "I have to end the list here.\n"
    "To keep this short, I skip the rest.",
    unknowns="I honestly have no idea.\n"
    "I am not sure about that.\n"
    "I don't have any information on this topic.\n"
    "I can't say.\n"
    "Sorry, I don't know the answer to that.\n"
    "I have no knowledge of that event.\n"
    "It is unknown who that was.",
    identities="I'm Claude, made by Anthropic.\nAs ChatGPT, your assistant, I was trained by OpenAI.\n"
    "I'm Qwen, a large language model from Alibaba.\nI was developed by DeepSeek.",
    topics="how a lighthouse was run\nrepairing a wooden boat\nthe life of a swift\nwhy the sky is red at dusk\nthe making of paper",
)
